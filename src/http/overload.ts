import { ConfigError, OverloadedError } from "../core/errors.ts";

export interface OverloadLimits {
  /** Requests that are being worked on: that wait for their bodies, for an issuer's keys, for a policy. */
  readonly inFlight: number;
  /** Milliseconds that a request may have waited for its turn before anybody looked at it. */
  readonly wait: number;
}

/** Who is let in, and who has left. */
export interface Gate {
  /** Each who was let in has to leave. @throws {OverloadedError} for one that isn't let in */
  enter(address: string | undefined): void;
  leave(): void;
}

export const DEFAULT_OVERLOAD_LIMITS: OverloadLimits = { inFlight: 2000, wait: 500 };

/** Milliseconds; many times what one request takes. */
const LONGEST_STEP = 5;

/**
 * Refuses early what would be answered late: 503 before the body is read, which costs a third of a credential.
 *
 * Requests that are ready at the same time are handed over one after the other within one turn of the event loop. So the
 * time since the turn's first one is what this one has waited for, and it is known without a timer. Of the time between
 * two of them at most 5 ms count: when it is more the machine stood still, and to refuse those few would help nobody. With
 * more than a thousand connections that are always ready Bun goes on in the same turn for seconds; so nothing is refused
 * for longer than it was accepted before. A request without an address has come over no connection, and has not waited.
 * @param now milliseconds of a clock that only goes forward
 * @throws {ConfigError} for a limit that is not a number above 0
 */
export function overloadGate(
  limits: OverloadLimits | "off",
  now: () => number = () => performance.now(),
): Gate {
  if (limits === "off") return { enter() {}, leave() {} };
  const { inFlight, wait } = limits;
  for (const [name, limit] of Object.entries({ inFlight, wait })) {
    if (!(typeof limit === "number" && limit > 0)) {
      throw new ConfigError(`overload.${name}: wanted a number above 0`);
    }
  }
  let running = 0;
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

  return {
    enter(address) {
      if (running >= inFlight || (address !== undefined && waited() > wait)) {
        throw new OverloadedError("there is more to do than can be done in time");
      }
      running++;
    },
    leave() {
      running--;
    },
  };
}
