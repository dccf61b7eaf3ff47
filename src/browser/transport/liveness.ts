/** Milliseconds without a frame from a server, after which it is sent a PING, or a swap to it is given up. */
const QUIET = 10_000;

/** Whether nothing has come since `heardAt`, a reading of `performance.now()`, for longer than a server is silent. */
export const isQuiet = (heardAt: number): boolean => performance.now() - heardAt > QUIET;

/**
 * Makes a function that checks whether a server is still there. It sends a PING, at once if `isUrgent`, else after some
 * silence; and returns false if nothing has come since the last PING, and the time to respond is over.
 */
export function livenessCheck(): (heardAt: number, isUrgent: boolean, sendPing: () => void) => boolean {
  /** Milliseconds that the server has to respond to a PING. */
  const PROBE_TIMEOUT = 3000;
  /** When the last PING was sent. */
  let probedAt = 0;
  return (heardAt, isUrgent, sendPing) => {
    const now = performance.now();
    if (heardAt <= probedAt) return now - probedAt <= PROBE_TIMEOUT;
    if (isUrgent || isQuiet(heardAt)) {
      probedAt = now;
      sendPing();
    }
    return true;
  };
}
