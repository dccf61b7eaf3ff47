import type { Denial } from "../events.ts";

/**
 * The `-ERR` lines of nats-server 2.15, as `server/client.go` and `server/accounts.go` write them. Subjects and queue names
 * in them are chosen by clients and may contain any words; they are quoted in Go's syntax (`%q`).
 */

/**
 * The server does not accept the credential. `Authentication Timeout` is not in the list: the server sends it without
 * having checked a credential.
 */
const REFUSAL = /^-ERR '(Authorization Violation|(User|Account) Authentication (Expired|Revoked))'$/;

const DENIAL =
  /^-ERR 'Permissions Violation for (\w+) to "((?:\\.|[^"\\])*)"(?: using queue "((?:\\.|[^"\\])*)")?/;

/** Whether the server says by this line that it does not accept the connection's credential. */
export const isRefusal = (line: string): boolean => REFUSAL.test(line);

/**
 * The `-ERR` line by which a NATS client gives up its login, with a reason that may come from elsewhere. Without control
 * characters (`\p{Cc}`, which older JavaScript engines lack) and quotes, the reason cannot end the line or the quoted
 * text. Nor can it contain `Permissions Violation`, which clients look for anywhere in the line, and after which they go
 * on waiting (`toError` in `core/src/protocol.ts` of nats.js).
 */
export const refusalLine = (reason: string): string =>
  `-ERR 'Authorization Violation: ${reason.replace(/[^ -~\xa0-\uffff]|'|violation/gi, " ")}'`;

/** The subject that the server denies by this line; undefined for other lines. */
export function readDenial(line: string): Denial | undefined {
  const [, what, subject, queue] = DENIAL.exec(line)?.map(unquote) ?? [];
  if (!what) return;
  const operation = what.toLowerCase() as Denial["operation"];
  return { type: "denied", operation, subject: subject as string, ...(queue && { queue }) };
}

const unquote = (text?: string) =>
  text?.replace(/\\(x..|u.{4}|U.{8}|.)/g, (_, code: string) => {
    // Go's letters for the control characters 7 to 13, each at its place.
    const point = code[1] ? parseInt(code.slice(1), 16) : "0123456abtnvfr".indexOf(code);
    return point >= 0 && point <= 0x10ffff ? String.fromCodePoint(point) : code;
  });
