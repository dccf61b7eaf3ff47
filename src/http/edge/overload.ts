import { ConfigError, RateLimitedError } from "../../core/errors.ts";
import { OverloadedError } from "../errors.ts";
import { byNetwork, type Network } from "./by-network.ts";

export interface OverloadLimits {
  /** Requests that are being worked on: that wait for an issuer's keys, for an application's login, for a policy. */
  readonly inFlight: number;
  /** Milliseconds that a request may have waited for its turn before anybody looked at it. */
  readonly wait: number;
  /** Requests that wait for their bodies; 2000 by default. */
  readonly bodies?: number;
  /**
   * Requests from one address, of IPv6 from one /64, that wait for their bodies, and that are being worked on; 100 each by
   * default. There is no such limit for requests whose address isn't known.
   */
  readonly perAddress?: number;
}

/** Who is let in, and who has left. */
export interface Gate {
  /** Before the body is read. @throws {OverloadedError} when it has waited for its turn too long */
  admit(network: Network): void;
  /**
   * With the body here. Each request that was let in has to leave.
   * @throws {OverloadedError} {RateLimitedError} for one that isn't let in
   */
  enter(request: Request, network: Network): void;
  leave(request: Request, network: Network): void;
}

export const DEFAULT_OVERLOAD_LIMITS: Required<OverloadLimits> = {
  inFlight: 2000,
  wait: 500,
  bodies: 2000,
  perAddress: 100,
};

/** All limits. @throws {ConfigError} for one that is not a number above 0 */
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

/** Milliseconds; many times what one request takes. */
const LONGEST_STEP = 5;
/** Milliseconds between two looks for requests whose clients are gone, which takes some time itself. */
const SWEEP_INTERVAL = 100;

/**
 * Refuses early what would be answered late: 503 before the body is read, which costs a third of a credential.
 *
 * Requests that are ready at the same time are handed over one after the other within one turn of the event loop. So the
 * time since the turn's first one is what this one has waited for, and it is known without a timer. Of the time between
 * two of them at most 5 ms count: when it is more the machine stood still, and to refuse those few would help nobody. With
 * more than a thousand connections that are always ready Bun goes on in the same turn for seconds; so nothing is refused
 * for longer than it was accepted before. A request without an address has come over no connection, and has not waited.
 * @param now milliseconds of a clock that only goes forward
 */
export function overloadGate(
  { inFlight, wait, perAddress }: Pick<Required<OverloadLimits>, "inFlight" | "wait" | "perAddress">,
  now: () => number = () => performance.now(),
): Gate {
  const running = byNetwork<Request>();
  let sweptAt = Number.NEGATIVE_INFINITY;
  let before = 0;
  /** Milliseconds that the present turn has gone on for. */
  let inTurn: number | undefined;

  function endTurn(): void {
    inTurn = undefined;
  }

  /** How long the turn has gone on. */
  function waited(): number {
    const time = now();
    if (inTurn === undefined) setImmediate(endTurn);
    inTurn = inTurn === undefined || inTurn > 2 * wait ? 0 : inTurn + Math.min(time - before, LONGEST_STEP);
    before = time;
    return inTurn;
  }

  /** What is done for a client that is gone is of no use to it; it goes on, but holds no place. */
  function sweep(): void {
    const time = now();
    if (time - sweptAt < SWEEP_INTERVAL) return;
    sweptAt = time;
    for (const [network, requests] of running.networks) {
      for (const request of requests) if (request.signal.aborted) running.delete(network, request);
    }
  }

  const isFullFor = (network: Network) =>
    running.size >= inFlight || (network !== undefined && (running.of(network)?.size ?? 0) >= perAddress);

  return {
    admit(network) {
      if (network !== undefined && waited() > wait) throw tooMuch();
    },
    enter(request, network) {
      if (isFullFor(network)) sweep();
      if (running.size >= inFlight) throw tooMuch();
      if (isFullFor(network)) throw new RateLimitedError("too many requests at once from this address", 1);
      running.add(network, request);
    },
    leave(request, network) {
      running.delete(network, request);
    },
  };
}

const tooMuch = () => new OverloadedError("there is more to do than can be done in time");
