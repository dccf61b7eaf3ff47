import type { Denial } from "./events.ts";

/**
 * Reads the `-ERR` lines of a server by their form, as `server/client.go` and `server/accounts.go` of nats-server 2.15
 * write them. Subjects and queue names in them are chosen by the client and may contain any words; they are quoted in
 * Go's syntax (`%q`).
 */

/**
 * The server does not accept the credential. `Authentication Timeout` is not in the list: the server sends it without
 * having checked one.
 */
const REFUSAL = /^-ERR '(Authorization Violation|(User|Account) Authentication (Expired|Revoked))'$/;

const DENIAL =
  /^-ERR 'Permissions Violation for (Publish|Subscription) to "((?:\\.|[^"])*)"(?: using queue "((?:\\.|[^"])*)")?/;

/** Whether the line says that the connection's credential is not accepted. */
export const isRefusal = (line: string): boolean => REFUSAL.test(line);

/** The denied subject; undefined for a line that does not deny one. */
export function readDenial(line: string): Denial | undefined {
  const [, what, subject, queue] = DENIAL.exec(line)?.map(unquote) ?? [];
  if (!what) return;
  const operation = what.toLowerCase() as Denial["operation"];
  return { type: "denied", operation, subject: subject as string, ...(queue && { queue }) };
}

/** Go's letters for the control characters from 7 on. */
const CONTROLS = "abtnvfr";

const unquote = (text?: string) =>
  text?.replace(/\\(x..|u.{4}|U.{8}|.)/g, (_, code: string) => {
    if (code.length > 1) {
      const point = parseInt(code.slice(1), 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : `\\${code}`;
    }
    const control = CONTROLS.indexOf(code);
    return control < 0 ? code : String.fromCodePoint(control + 7);
  });
