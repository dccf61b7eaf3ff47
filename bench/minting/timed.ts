import { readState, type State } from "../state.ts";

/**
 * Runs a contender: takes `<state file> <seconds>` on its command line, and prints one line of JSON: operations per
 * second, operations per second of processor time, and one of the JWTs that it made, to be checked.
 */

interface Work {
  /** One operation. A promise is awaited. */
  readonly once: (name: string, publicKey: string) => unknown;
  /** The JWT in the result of `once`; the result itself by default. */
  readonly jwt?: (made: unknown) => string;
}

export async function timed(make: (state: State) => Work | Promise<Work>): Promise<void> {
  const [, , file = "", seconds = "1"] = process.argv;
  const state = readState(file);
  const { once, jwt = String } = await make(state);
  const { publicKeys } = state;
  let made: unknown;

  /** The rates over a number of milliseconds. */
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
