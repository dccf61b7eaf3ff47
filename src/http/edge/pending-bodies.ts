import { RequestTimeoutError } from "../errors.ts";
import { byNetwork, type Network } from "./by-network.ts";

/** Requests whose bodies have not arrived yet. */
export interface PendingBodies {
  /**
   * The body, if it arrives in time, and before its place is needed for another. What becomes of it otherwise is of no
   * interest any more.
   * @throws {RequestTimeoutError}
   */
  receive<T>(body: Promise<T>, network: Network): Promise<T>;
}

export interface PendingBodiesOptions {
  /** How many there may be; of more, one is given up. */
  readonly total: number;
  /** How many there may be from one network that is known. */
  readonly perNetwork: number;
  /** Milliseconds that a body may take. */
  readonly deadline?: number;
}

/** Milliseconds from the head to the end of the body. */
const BODY_DEADLINE = 5000;

type GiveUp = () => void;

/**
 * A new request always has a place. When there are too many from its network, the oldest of that network is given up;
 * when there are too many altogether, the oldest of the network that has most. So requests whose bodies don't come take
 * places from each other, and one from a request that sends its body at once only if they come from more networks than
 * there are places, all of them between its head and its body.
 */
export function pendingBodies({
  total,
  perNetwork,
  deadline = BODY_DEADLINE,
}: PendingBodiesOptions): PendingBodies {
  const pending = byNetwork<GiveUp>();

  function makeRoom(network: Network): void {
    const own = pending.of(network);
    if (network !== undefined && own && own.size >= perNetwork) giveUpOldest(own);
    else if (pending.size >= total) giveUpOldest(largest(pending.networks.values()));
  }

  return {
    receive(body, network) {
      makeRoom(network);
      return new Promise((resolve, reject) => {
        const leave = () => {
          clearTimeout(timer);
          pending.delete(network, giveUp);
        };
        const refuse = (message: string) => {
          leave();
          reject(new RequestTimeoutError(message));
        };
        const giveUp = () => refuse("the body did not come before its place was needed for other requests");
        const timer = setTimeout(() => refuse("the body did not come in time"), deadline);
        pending.add(network, giveUp);
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

function giveUpOldest([oldest]: Iterable<GiveUp>): void {
  oldest?.();
}

/** Of several, the first. */
function largest<T>(sets: Iterable<ReadonlySet<T>>): ReadonlySet<T> {
  let most: ReadonlySet<T> = new Set();
  for (const set of sets) if (set.size > most.size) most = set;
  return most;
}
