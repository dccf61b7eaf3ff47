import { ConfigError, RateLimitedError } from "../../core/errors.ts";
import { OverloadedError } from "../errors.ts";
import { byNetwork, type Network } from "./by-network.ts";

/** The number of requests that the service holds, and the time that they may wait. */
export interface OverloadLimits {
  /** Requests in progress: they wait for an issuer's keys, an application's login or a policy. */
  readonly inFlight: number;
  /** Milliseconds that a request may have waited before its processing began. */
  readonly wait: number;
  /** Requests that wait for their bodies; 2000 by default. */
  readonly bodies?: number;
  /**
   * Requests from one address (for IPv6, one /64) that wait for their bodies, and as many that are in progress; 100 by
   * default. Requests with an unknown address have no such limit.
   */
  readonly perAddress?: number;
}

/** Accepts requests for processing, up to the limits. */
export interface Gate {
  /** Called before the body is read. @throws {OverloadedError} when the request has waited too long */
  admit(network: Network): void;
  /**
   * Called when the body has arrived. `leave` must follow for each request that was accepted.
   * @throws {OverloadedError} when too many requests are in progress
   * @throws {RateLimitedError} when too many of them are from this network
   */
  enter(request: Request, network: Network): void;
  leave(request: Request, network: Network): void;
}

/** The limits of a service that configures none. */
export const DEFAULT_OVERLOAD_LIMITS: Required<OverloadLimits> = {
  inFlight: 2000,
  wait: 500,
  bodies: 2000,
  perAddress: 100,
};

/** The limits with their defaults. @throws {ConfigError} for a limit that is not a number above 0 */
export function overloadLimits(limits: OverloadLimits | "off"): Required<OverloadLimits> {
  if (limits === "off") return { inFlight: Infinity, wait: Infinity, bodies: Infinity, perAddress: Infinity };
  const { inFlight, wait, bodies = DEFAULT_OVERLOAD_LIMITS.bodies } = limits;
  const { perAddress = DEFAULT_OVERLOAD_LIMITS.perAddress } = limits;
  const all = { inFlight, wait, bodies, perAddress };
  for (const [name, limit] of Object.entries(all)) {
    if (!(typeof limit === "number" && limit > 0)) {
      throw new ConfigError(`overload.${name}: wanted a number above 0`);
    }
  }
  return all;
}

/** Milliseconds; many times the duration of one request. */
const LONGEST_STEP = 5;
/** Milliseconds between two searches for requests whose clients have disconnected, since a search takes time. */
const SWEEP_INTERVAL = 100;

/**
 * Refuses requests early that would get their responses late: with 503 before the body is read, which costs a third of
 * a credential.
 *
 * Bun passes requests that are ready at the same time to the handler one after the other, within one turn of the event
 * loop. The time since the first request of the turn is therefore the time that a request has waited, and needs no
 * timer. At most 5 ms of the time between two requests count: after a longer time the machine stood still, and refusing
 * these few requests would help no other. With more than a thousand connections that are always ready, Bun stays in the
 * same turn for seconds; so requests are not refused for longer than they were accepted before. A request without an
 * address did not come over a connection, and has not waited.
 * @param now milliseconds of a monotonic clock
 */
export function overloadGate(
  { inFlight, wait, perAddress }: Pick<Required<OverloadLimits>, "inFlight" | "wait" | "perAddress">,
  now: () => number = () => performance.now(),
): Gate {
  const running = byNetwork<Request>();
  let sweptAt = Number.NEGATIVE_INFINITY;
  let lastRequestAt = 0;
  /** Milliseconds since the start of this turn; undefined before its first request. */
  let turnTime: number | undefined;

  function endTurn(): void {
    turnTime = undefined;
  }

  /** Counts a request of this turn, and returns the time that it has waited. */
  function waitedTime(): number {
    const time = now();
    if (turnTime === undefined) setImmediate(endTurn);
    turnTime =
      turnTime === undefined || turnTime > 2 * wait
        ? 0
        : turnTime + Math.min(time - lastRequestAt, LONGEST_STEP);
    lastRequestAt = time;
    return turnTime;
  }

  /** A request whose client has disconnected is still processed, but no longer counted. */
  function sweep(): void {
    const time = now();
    if (time - sweptAt < SWEEP_INTERVAL) return;
    sweptAt = time;
    for (const [network, requests] of running.networks) {
      for (const request of requests) if (request.signal.aborted) running.delete(network, request);
    }
  }

  const isFullFor = (network: Network) =>
    running.size >= inFlight ||
    (network !== undefined && (running.itemsOf(network)?.size ?? 0) >= perAddress);

  return {
    admit(network) {
      if (network !== undefined && waitedTime() > wait) throw overloaded();
    },
    enter(request, network) {
      if (isFullFor(network)) sweep();
      if (running.size >= inFlight) throw overloaded();
      if (isFullFor(network)) throw new RateLimitedError("too many requests at once from this address", 1);
      running.add(network, request);
    },
    leave(request, network) {
      running.delete(network, request);
    },
  };
}

const overloaded = () => new OverloadedError("the service has too many requests; try again in 1 s");
