import type { NatsConnection } from "nats";

/** Publishers that publish all the time. Each numbers its messages from 1: `name number`. */

export interface Publishers extends AsyncDisposable {
  /** How many messages each publisher has sent so far. */
  readonly sent: Readonly<Record<string, number>>;
  /** Stops. Resolves when the server has received everything. */
  stop(): Promise<void>;
}

/** Milliseconds that are caught up with. On a machine that has no time for this, the page has none for more messages. */
const LATEST = 20;

/** @param rate  messages per second, of all publishers together; each has a connection of its own */
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

/** How the received messages differ from the sent ones. */
export interface Comparison {
  readonly lost: number;
  readonly repeated: number;
  readonly reordered: number;
}

export const PERFECT: Comparison = { lost: 0, repeated: 0, reordered: 0 };

/** Compares, for each publisher, the received numbers with how many were sent. */
export function compare(
  received: Readonly<Record<string, readonly number[]>>,
  sent: Readonly<Record<string, number>>,
): Comparison {
  let [lost, repeated, reordered] = [0, 0, 0];
  for (const [publisher, last] of Object.entries(sent)) {
    const seen = new Set<number>();
    let highest = 0;
    for (const number of received[publisher] ?? []) {
      if (seen.has(number)) repeated++;
      else if (number < highest) reordered++;
      seen.add(number);
      highest = Math.max(highest, number);
    }
    lost += last - seen.size;
  }
  return { lost, repeated, reordered };
}
