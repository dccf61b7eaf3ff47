import { type Link, ping, sendLine } from "./commands.ts";
import { type ConnectOptions, type ServerInfo, words } from "./frames.ts";
import type { Swap } from "./swap.ts";

/** What the sequence works on, and what it has the relay do. */
export interface SequenceParts {
  readonly old: Link;
  readonly next: Link;
  readonly swap: Swap;
  /** The client's SUB lines by their sids. */
  readonly subscriptions: ReadonlyMap<string, string>;
  /** The options of the client's CONNECT. */
  readonly options: ConnectOptions;
  /** The INFO of the old connection's server. */
  readonly info: ServerInfo;
  /** The INFO of the next one's. */
  readonly nextInfo: Promise<ServerInfo>;
  /** Resolves with the step; rejects if the swap has failed. */
  attempt<T>(step: Promise<T>): Promise<T>;
  /** Resolves after more time than the servers need to deliver one message to all its subscribers. */
  settle(isSameServer: boolean): Promise<void>;
  /** From now on, what the client sends waits. */
  hold(): void;
  /** What waits is sent, on the connection that the client has. */
  release(): void;
  /** The client has the next connection from now on. */
  switchLink(): void;
}

/**
 * The sequence of a swap. docs/renewal.md shows it as a diagram, and explains why it is correct.
 * @returns the INFO of the next connection's server
 */
export async function runSequence(parts: SequenceParts): Promise<ServerInfo> {
  const { old, next, swap, subscriptions, options, info, attempt, hold } = parts;
  /** Has both servers mark the same moment in what they send. */
  const mark = () => Promise.all([ping(old, () => swap.mark("old")), ping(next, () => swap.mark("next"))]);

  const nextInfo = await attempt(parts.nextInfo);
  await attempt(next.logIn(options, nextInfo));
  await attempt(ping(next));
  const isSameServer = info.server_id === nextInfo.server_id;
  const settle = () => attempt(parts.settle(isSameServer));

  // The old connection has all subscriptions of the client and has brought their denials.
  swap.stage = "overlapping";
  // A client with `echo: false` must not get from the next connection what it publishes on the old one.
  if (options.echo === false) hold();
  await attempt(ping(old));
  // What it has brought may still be on its way to the next connection's server.
  if (!isSameServer) await settle();

  // Both subscribe. What the old connection brings goes to the client and is counted; what the next one brings waits.
  for (const [sid, line] of subscriptions) {
    sendLine(next, line);
    if (words(line).length > 3) swap.queueSids.add(sid);
  }
  await attempt(ping(next));
  await attempt(mark());
  await settle();

  // The cut. All that was published over the old connection is processed before anything goes over the next one.
  swap.stage = "cutting";
  hold();
  const marked = mark();
  for (const sid of subscriptions.keys()) sendLine(old, `UNSUB ${sid}`);
  await attempt(Promise.all([marked, ping(old)]));

  // The old connection has brought all that it ever will.
  swap.stage = "trailing";
  parts.switchLink();
  old.close();
  swap.flush();
  // What was published over the old connection is on its way to the other servers; what follows must not overtake it.
  if (!isSameServer) await settle();
  parts.release();

  // The last repeats may still be on their way through the server, and then from the server to here.
  await settle();
  await attempt(ping(next));
  return nextInfo;
}
