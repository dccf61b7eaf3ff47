import type { NatsConnection } from "nats";

/** Publishers that never tire: each has its name and numbers its messages from 1: `name number`. */

export interface Publishers extends AsyncDisposable {
  /** How many each has sent so far. */
  readonly sent: Readonly<Record<string, number>>;
  /** Stops; all is at the server then. */
  stop(): Promise<void>;
}

/** Milliseconds that are caught up with. On a machine that has no time for this, the page has none for more messages. */
const LATEST = 20;

/** @param rate  messages per second of all of them together, each over a connection of its own */
export function publish(
  connections: readonly NatsConnection[],
  rate: number,
  send: (nc: NatsConnection, text: string) => void,
): Publishers {
  const sent: Record<string, number> = {};
  let due = 0;
  let last = performance.now();
  for (const index of connections.keys()) sent[`p${index}`] = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    due += (Math.min(now - last, LATEST) / 1000) * (rate / connections.length);
    last = now;
    connections.forEach((nc, index) => {
      const name = `p${index}`;
      for (let number = (sent[name] ?? 0) + 1; number <= due; number++) {
        sent[name] = number;
        send(nc, `${name} ${number}`);
      }
    });
  }, 2);
  const stop = async () => {
    clearInterval(timer);
    await Promise.all(connections.map((nc) => nc.flush()));
  };
  return { sent, stop, [Symbol.asyncDispose]: stop };
}

/** What became of what was sent. */
export interface Account {
  readonly lost: number;
  readonly repeated: number;
  readonly disordered: number;
}

export const PERFECT: Account = { lost: 0, repeated: 0, disordered: 0 };

/** Compares, for each publisher, the numbers that were heard with how many were sent. */
export function account(
  heard: Readonly<Record<string, readonly number[]>>,
  sent: Readonly<Record<string, number>>,
): Account {
  let [lost, repeated, disordered] = [0, 0, 0];
  for (const [publisher, last] of Object.entries(sent)) {
    const seen = new Set<number>();
    let highest = 0;
    for (const number of heard[publisher] ?? []) {
      if (seen.has(number)) repeated++;
      else if (number < highest) disordered++;
      seen.add(number);
      highest = Math.max(highest, number);
    }
    lost += last - seen.size;
  }
  return { lost, repeated, disordered };
}
