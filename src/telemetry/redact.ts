import { apiKeysIn } from "../core/api-key/key.ts";
import { seedsIn } from "../core/keys/nkey.ts";

/**
 * A second fence: secrets are taken out of a line before it is written, wherever they came from. Out of free text goes
 * whatever looks like one; out of an audit line, whose names have been checked, only what is one: a name may look like
 * anything, and whose name it is must stay visible.
 */

/** Names of fields whose values are never written. Only at the top of a line: looking deeper costs six times the line. */
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

/** What stands in place of a secret. */
export const HIDDEN = "[secret]";

// Seeds of every kind of nkey, JWTs with or without their end, and API keys. Not within longer words of the same letters,
// and without the last letter of a JSON escape (`\u001e`), so that lines stay JSON and names readable.
const SECRETS =
  /(?<![A-Z2-7])S[A-Z][A-Z2-7]{56}(?![A-Z2-7])|(?<!\\u[0-9a-f]{3})eyJ[\w-]{8,}\.[\w.-]*|mint_[A-Za-z0-9-]+_[\w-]{16,}/g;

// Characters that steer a terminal or turn its text round. JSON escapes only those below the space.
const STEERING =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

/** What every secret has, and few lines. To look for that takes a third of the time. */
const mayHoldSecrets = (text: string) => text.includes("eyJ") || text.includes("mint_") || SEED.test(text);
const SEED = /S[A-Z][A-Z2-7]{56}/;

/** A JWT's header, and what follows it. */
const JWT_FORM = /(?=(eyJ[\w-]*\.[\w.-]*))/g;

function isJwt(text: string): boolean {
  try {
    const header = JSON.parse(Buffer.from(text.split(".")[0] ?? "", "base64url").toString());
    return typeof header.alg === "string";
  } catch {
    return false;
  }
}

/** A text without seeds and API keys with a right checksum, and without JWTs that can be read. */
export function withoutProvenSecrets(line: string): string {
  const jwts = [...line.matchAll(JWT_FORM)].map(([, form = ""]) => form).filter(isJwt);
  const secrets = [...seedsIn(line), ...apiKeysIn(line), ...jwts];
  return secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), line);
}

/** An audit line: made field by field out of names that were checked. */
export interface AuditLine {
  readonly audit: string;
}

/**
 * Lines of JSON that are written together, without secrets and with nothing that a terminal would obey. A text may hold
 * anything.
 */
export function redact(lines: readonly (string | AuditLine)[]): string {
  const all = lines.map(textOf).join("");
  if (!mayHoldSecrets(all)) return all.replace(STEERING, escaped);
  const each = lines.map((line) =>
    typeof line === "string" ? line.replace(SECRETS, HIDDEN) : withoutProvenSecrets(line.audit),
  );
  return each.join("").replace(STEERING, escaped);
}

const textOf = (line: string | AuditLine) => (typeof line === "string" ? line : line.audit);

const escaped = (text: string) =>
  [...Array(text.length).keys()]
    .map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`)
    .join("");
