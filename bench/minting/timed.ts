import { readState, type State } from "../state.ts";

/**
 * The frame of a contender: `<state file> <seconds>` on its command line, one line of JSON as its answer: how many a
 * second, how many a second of processor time, and one of the JWTs that it made, to be checked.
 */

interface Work {
  /** Does it once. Waited for if it can't be done at once. */
  readonly once: (name: string, publicKey: string) => unknown;
  /** The JWT in what `once` has made; nothing for a contender that makes none. */
  readonly jwt?: (made: unknown) => string;
}

export async function timed(make: (state: State) => Work | Promise<Work>): Promise<void> {
  const [, , file = "", seconds = "1"] = process.argv;
  const state = readState(file);
  const { once, jwt = String } = await make(state);
  const { publicKeys } = state;
  let made: unknown;

  /** How many a second, over so many milliseconds. */
  async function run(milliseconds: number): Promise<{ perSecond: number; perProcessorSecond: number }> {
    const began = performance.now();
    const usedBefore = process.cpuUsage();
    let count = 0;
    let passed = 0;
    while (passed < milliseconds) {
      const result = once(`user-${count}`, publicKeys[count % publicKeys.length] as string);
      made = result instanceof Promise ? await result : result;
      count++;
      passed = performance.now() - began;
    }
    const { user, system } = process.cpuUsage(usedBefore);
    return { perSecond: (count / passed) * 1e3, perProcessorSecond: (count / (user + system)) * 1e6 };
  }

  await run(Number(seconds) * 500);
  const measured = await run(Number(seconds) * 1000);
  console.log(JSON.stringify({ ...measured, jwt: jwt(made) }));
}
