import { RequestTimeoutError } from "../errors.ts";
import { byNetwork, type Network } from "./by-network.ts";

/** Requests whose bodies have not arrived yet. */
export interface PendingBodies {
  /**
   * Waits for a request's body. After an error, `body` is ignored.
   * @throws {RequestTimeoutError} when the body doesn't arrive before the deadline, or its place is needed for another
   * request
   */
  receive<T>(body: Promise<T>, network: Network): Promise<T>;
}

export interface PendingBodiesOptions {
  /** The number of places. */
  readonly total: number;
  /** The number of places for one known network. */
  readonly perNetwork: number;
  /** Milliseconds that a body may take; 5000 by default. */
  readonly deadline?: number;
}

/** Milliseconds from the head to the end of the body. */
const BODY_DEADLINE = 5000;

/** Refuses a request that waits for its body, and frees its place. */
type Evict = () => void;

/**
 * A new request always gets a place. When its network has no place left, the oldest request of that network is refused;
 * when no place is left at all, the oldest request of the network that has most. So requests whose bodies don't arrive
 * only take places from each other. They take the place of a request that sends its body at once only if they come from
 * more networks than there are places, all of them between that request's head and body.
 */
export function pendingBodies({
  total,
  perNetwork,
  deadline = BODY_DEADLINE,
}: PendingBodiesOptions): PendingBodies {
  const pending = byNetwork<Evict>();

  function makeRoom(network: Network): void {
    const own = pending.itemsOf(network);
    if (network !== undefined && own && own.size >= perNetwork) evictOldest(own);
    else if (pending.size >= total) evictOldest(largest(pending.networks.values()));
  }

  return {
    receive(body, network) {
      makeRoom(network);
      // The place is free as soon as the body has arrived: each further step would leave time for other requests.
      return new Promise((resolve, reject) => {
        const leave = () => {
          clearTimeout(timer);
          pending.delete(network, evict);
        };
        const refuse = (message: string) => {
          leave();
          reject(new RequestTimeoutError(message));
        };
        const evict = () => refuse("the body did not arrive before its place was needed for other requests");
        const timer = setTimeout(() => refuse("the body did not arrive in time"), deadline);
        pending.add(network, evict);
        body.then(
          (value) => {
            leave();
            resolve(value);
          },
          (error) => {
            leave();
            reject(error);
          },
        );
      });
    },
  };
}

function evictOldest([oldest]: Iterable<Evict>): void {
  oldest?.();
}

/** The largest set; the first of several. */
function largest<T>(sets: Iterable<ReadonlySet<T>>): ReadonlySet<T> {
  let result: ReadonlySet<T> = new Set();
  for (const set of sets) if (set.size > result.size) result = set;
  return result;
}
