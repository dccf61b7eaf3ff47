import { apiKeysIn } from "../core/api-key/key.ts";
import { seedsIn } from "../core/keys/nkey.ts";

/**
 * A second line of defence: secrets are removed from a line before it is written. From free text everything is removed
 * that looks like a secret. From an audit line only proven secrets are removed: its names have been checked, and a name
 * that only looks like a secret must stay readable.
 */

/** Fields whose values are never written, at the top level of a line. To look deeper takes six times as long. */
export const SECRET_FIELDS = [
  "jwt",
  "seed",
  "token",
  "secret",
  "password",
  "creds",
  "authorization",
  "cookie",
];

/** The replacement for a secret. */
export const HIDDEN = "[secret]";

// Seeds of every kind of nkey, JWTs with or without their end, and API keys. A match does not begin within a longer word of
// the same letters, or with the last letter of a JSON escape (`\u001e`): lines stay JSON, and names readable.
const SECRETS =
  /(?<![A-Z2-7])S[A-Z][A-Z2-7]{56}(?![A-Z2-7])|(?<!\\u[0-9a-f]{3})eyJ[\w-]{8,}\.[\w.-]*|mint_[A-Za-z0-9-]+_[\w-]{16,}/g;

// Characters that control a terminal or the direction of text. JSON escapes only those below the space.
const CONTROLS =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

/** Whether a text has what every secret has. This takes a third of the time, and few texts need more. */
const mayHoldSecrets = (text: string) => text.includes("eyJ") || text.includes("mint_") || SEED.test(text);
const SEED = /S[A-Z][A-Z2-7]{56}/;

/** The header of a JWT and the characters after it. */
const JWT_FORM = /(?=(eyJ[\w-]*\.[\w.-]*))/g;

function isJwt(text: string): boolean {
  try {
    const header = JSON.parse(Buffer.from(text.split(".")[0] ?? "", "base64url").toString());
    return typeof header.alg === "string";
  } catch {
    return false;
  }
}

/** Removes seeds and API keys whose checksum is right, and JWTs whose header can be decoded. */
export function withoutProvenSecrets(line: string): string {
  const jwts = [...line.matchAll(JWT_FORM)].map(([, form = ""]) => form).filter(isJwt);
  const secrets = [...seedsIn(line), ...apiKeysIn(line), ...jwts];
  return secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), line);
}

/** A line that was made field by field from checked names. */
export interface AuditLine {
  readonly audit: string;
}

/**
 * Joins lines of JSON, without secrets and with control characters escaped.
 * @param lines a string is free text; an `AuditLine` loses proven secrets only
 */
export function redact(lines: readonly (string | AuditLine)[]): string {
  const all = lines.map(textOf).join("");
  if (!mayHoldSecrets(all)) return all.replace(CONTROLS, escaped);
  const each = lines.map((line) =>
    typeof line === "string" ? line.replace(SECRETS, HIDDEN) : withoutProvenSecrets(line.audit),
  );
  return each.join("").replace(CONTROLS, escaped);
}

const textOf = (line: string | AuditLine) => (typeof line === "string" ? line : line.audit);

const escaped = (text: string) =>
  [...Array(text.length).keys()]
    .map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`)
    .join("");
