/** A second fence: whatever looks like a secret is taken out of a line before it is written, wherever it came from. */

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
const STEERING = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** What every secret has, and few lines. To look for that takes a third of the time. */
const mayHoldSecrets = (text: string) => text.includes("eyJ") || text.includes("mint_") || SEED.test(text);
const SEED = /S[A-Z][A-Z2-7]{56}/;

/** Lines of JSON without anything that looks like a secret and with nothing that a terminal would obey. */
export function withoutSecrets(lines: string): string {
  return (mayHoldSecrets(lines) ? lines.replace(SECRETS, HIDDEN) : lines).replace(STEERING, escaped);
}

const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
