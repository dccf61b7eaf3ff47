import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createUserKeyPair } from "../../src/core/keys/ed25519.ts";
import type { OidcIssuer } from "../../src/core/policy/issuer.ts";
import { codeSpans, rows, section } from "../docs/markdown.ts";
import { base64url, forge, jwks, pairs, publicJwk, signers, untrustedPair } from "./forge.ts";
import { localIssuer } from "./local-issuer.ts";
import { oidcMint } from "./mint.ts";

/**
 * The `detail` of each refusal of a token: what came, what was wanted, and a row of the troubleshooting guide. Nothing
 * in it is a secret.
 */

const KEYS = "https://keys.test/jwks";
const ISSUER = "https://login.example.com/realms/a";
const local = await localIssuer({ [KEYS]: jwks });
afterAll(() => local[Symbol.asyncDispose]());

const issuer: OidcIssuer = { issuer: ISSUER, audience: ["nats", "mint"], jwksUri: KEYS };
const NOW = 1_800_000_000;
const HEADER = { alg: "RS256", typ: "at+jwt", kid: "rsa" };
const CLAIMS = { iss: ISSUER, sub: "alice", aud: "nats", exp: NOW + 600 };
const signer = signers.rs256(pairs.rsa);
const withClaims = (claims: object, header: object = {}) =>
  forge({ header: { ...HEADER, ...header }, claims: { ...CLAIMS, ...claims }, signer });
const withHeader = (header: object) => withClaims({}, header);
const GOOD = withClaims({});
const [head, body, signature] = GOOD.split(".") as [string, string, string];
/** A private key, which a client sent in the wrong place. */
const SEED = createUserKeyPair().seed;

async function detailOf(authorization: string, trusted: OidcIssuer = issuer): Promise<string> {
  const issuers = [trusted];
  const { app, clock, errors } = oidcMint({ issuers: () => issuers, fetch: local.fetch });
  clock.stop();
  clock.advance(NOW - clock.now() / 1000);
  const headers = { "Content-Type": "application/json", Authorization: authorization };
  const response = await app.request("/creds", { method: "POST", headers, body: "{}" });
  expect([response.status, errors]).toEqual([401, []]);
  return ((await response.json()) as { detail: string }).detail;
}

/** The parts of each row's messages, which vary where the guide has `…`. */
const guide = readFileSync(join(import.meta.dirname, "../../docs/troubleshooting.md"), "utf8");
const documented = rows(section(guide, "## Responses of the mint"), "code or `detail`").flatMap(
  ([cell = ""]) => codeSpans(cell.split(", for ")[0] ?? "").map((message) => message.split("…")),
);
const hasRow = (detail: string) =>
  documented.some(([first = "", ...others]) => {
    let at = detail.indexOf(first);
    if (at < 0 || first.length < 12) return false;
    at += first.length;
    return others.every((part) => {
      const next = detail.indexOf(part, at);
      at = next + part.length;
      return next >= 0;
    });
  });

const cases: [string, string, string, OidcIssuer?][] = [
  [
    "another issuer",
    withClaims({ iss: "https://other.example.com" }),
    'the token is from an issuer that is not trusted here: "https://other.example.com"',
  ],
  [
    "an issuer with a slash",
    withClaims({ iss: `${ISSUER}/` }),
    `the token is from an issuer that is not trusted here: "${ISSUER}/"; "${ISSUER}" is, which is spelled differently`,
  ],
  [
    "an issuer in other case",
    withClaims({ iss: "https://LOGIN.example.com/realms/A" }),
    `the token is from an issuer that is not trusted here: "https://LOGIN.example.com/realms/A"; "${ISSUER}" is, which is spelled differently`,
  ],
  [
    "an issuer that is a host's name",
    withClaims({ iss: "accounts.google.com" }),
    'the token is from an issuer that is not trusted here: "accounts.google.com"',
  ],
  [
    "an issuer that may be a secret",
    withClaims({ iss: SEED }),
    "the token is from an issuer that is not trusted here",
  ],
  ["no issuer", withClaims({ iss: undefined }), 'the token\'s claim "iss" is missing'],
  ["an issuer that is no text", withClaims({ iss: 1 }), 'the token\'s claim "iss" is 1, wanted a text'],
  [
    "another audience",
    withClaims({ aud: ["account", "page"] }),
    'the token is not for this service: its aud is "account" and "page", wanted "nats" or "mint"',
  ],
  [
    "many audiences",
    withClaims({ aud: ["a", "b", "c", "d", "e", "f"] }),
    'the token is not for this service: its aud is "a", "b", "c", "d" and 2 more, wanted "nats" or "mint"',
  ],
  [
    "an empty audience",
    withClaims({ aud: [] }),
    'the token is not for this service: its aud is an empty list, wanted "nats" or "mint"',
  ],
  [
    "a secret as audience",
    withClaims({ aud: SEED }),
    'the token is not for this service: its aud is something (not shown), wanted "nats" or "mint"',
  ],
  ["no audience", withClaims({ aud: undefined }), 'the token\'s claim "aud" is missing'],
  [
    "no audience, but a client",
    withClaims({ aud: undefined, client_id: "page" }),
    'the token\'s claim "aud" is missing; it has client_id "page", which audience_claim can accept instead',
  ],
  [
    "another client",
    withClaims({ aud: undefined, client_id: "page" }),
    'the token is not for this service: its client_id is "page", wanted "nats" or "mint"',
    { ...issuer, audienceClaim: "client_id" },
  ],
  ["no subject", withClaims({ sub: undefined }), 'the token\'s claim "sub" is missing'],
  [
    "an empty subject",
    withClaims({ sub: "" }),
    'the token\'s claim "sub" is "", wanted a text that is not empty',
  ],
  [
    "a number as subject",
    withClaims({ sub: 5 }),
    'the token\'s claim "sub" is 5, wanted a text that is not empty',
  ],
  [
    "a subject that is too long",
    withClaims({ sub: "s".repeat(300) }),
    'the token\'s claim "sub" is a text of 300 characters, wanted at most 255',
  ],
  ["no expiry", withClaims({ exp: undefined }), 'the token\'s claim "exp" is missing'],
  [
    "a text as expiry",
    withClaims({ exp: "soon" }),
    'the token\'s claim "exp" is "soon", wanted a number of seconds',
  ],
  ["an expiry that is over", withClaims({ exp: NOW - 35 }), "the token has expired, 35 s ago"],
  [
    "an expiry that is near",
    withClaims({ exp: NOW + 7 }),
    "the proof of identity expires in 7 s, and a credential needs 10 s: get a new one",
  ],
  [
    "nbf in the future",
    withClaims({ nbf: NOW + 100 }),
    "the token is not valid yet: its nbf is ahead of this service's clock by 100 s, at most 30 s are accepted",
  ],
  [
    "iat in the future",
    withClaims({ iat: NOW + 100 }),
    "the token is not valid yet: its iat is ahead of this service's clock by 100 s, at most 30 s are accepted",
  ],
  ["a text as nbf", withClaims({ nbf: "0" }), 'the token\'s claim "nbf" is "0", wanted a number of seconds'],
  [
    "HS256",
    withHeader({ alg: "HS256" }),
    'the token is signed with an algorithm that is not allowed: its alg is "HS256", wanted RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519',
  ],
  [
    "no algorithm",
    withHeader({ alg: undefined }),
    "the token is signed with an algorithm that is not allowed: its alg is missing, wanted RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519",
  ],
  [
    "an algorithm that this issuer does not use",
    GOOD,
    'the token is signed with an algorithm that is not allowed: its alg is "RS256", wanted ES256, EdDSA',
    { ...issuer, algorithms: ["ES256", "EdDSA"] },
  ],
  [
    "another key's name",
    withHeader({ kid: "of 2019" }),
    'the token is signed with a key that its issuer does not have: kid "of 2019", alg "RS256"',
  ],
  [
    "a secret as the key's name",
    withHeader({ kid: SEED }),
    'the token is signed with a key that its issuer does not have: kid something (not shown), alg "RS256"',
  ],
  [
    "a key of another type",
    withHeader({ kid: "p-256" }),
    'the token is signed with a key that its issuer does not have: kid "p-256", alg "RS256"',
  ],
  [
    "another key",
    forge({ header: HEADER, claims: CLAIMS, signer: signers.rs256(untrustedPair) }),
    "the token's signature is not valid: it was changed, or signed with another key than its issuer's",
  ],
  [
    "a logout token",
    withHeader({ typ: "logout+jwt" }),
    'the token is not an access token or an ID token: its typ is "logout+jwt", wanted JWT, at+jwt or none',
  ],
  [
    "a token in a token",
    withHeader({ cty: "JWT" }),
    'the token\'s content is not a set of claims: its cty is "JWT", wanted none',
  ],
  ["an event", withClaims({ events: {} }), "the token reports an event and is no proof of identity"],
  ["cnf", withClaims({ cnf: {} }), "the token is bound to a key (cnf) and can't be used as a Bearer token"],
  ["crit", withHeader({ crit: ["x"] }), "the token needs an extension (crit) that is not supported"],
  ["a number as kid", withHeader({ kid: 1 }), "the token's key name (kid) is 1, wanted a text"],
  [
    "an encrypted token",
    `${base64url('{"alg":"dir","enc":"A256GCM"}')}..${body}.${body}.${body}`,
    "the token is not a signed JWT: it is encrypted (JWE), so that only its issuer can read it. Request a token for an audience",
  ],
  ["two parts", `${head}.${body}`, "the token is not a signed JWT: it has 2 parts between dots, wanted 3"],
  [
    "base64 of another kind",
    `${head}.${body}.+${signature.slice(1)}`,
    "the token is not a signed JWT: a part of it is not base64url",
  ],
  [
    "no JSON",
    forge({ header: HEADER, claims: "x", signer }),
    "the token is not a signed JWT: its header or claims are not a JSON object",
  ],
  [
    "an opaque token",
    "ya29.opaque".replace(".", ""),
    "a token of this kind is not accepted here: it is neither a JWT nor an API key",
  ],
  [
    "a long token",
    withClaims({ groups: "g".repeat(9000) }),
    expect.stringMatching(
      /^the token has \d{5} bytes, and at most 8192 are accepted: it may list too many groups$/,
    ) as never,
  ],
];

describe("the message about a token with", () => {
  const complete = cases.map(
    ([name, token, message, trusted = issuer]) => [name, token, message, trusted] as const,
  );
  test.each(complete)("%s", async (_, token, message, trusted) => {
    const detail = await detailOf(`Bearer ${token}`, trusted);
    expect(detail).toEqual(message);
    expect([detail, hasRow(detail)]).toEqual([detail, true]);
    expect(detail).not.toContain(SEED);
  });

  test("no name of a key, where too many keys fit", async () => {
    const { kid: _, ...header } = HEADER;
    const keys = Array.from({ length: 9 }, (_, i) => ({
      ...publicJwk(untrustedPair),
      e: base64url(Buffer.from([1, 0, 1 + 2 * i])),
    }));
    local.publish({ "https://keys.test/many": { keys } });
    const token = forge({ header, claims: CLAIMS, signer });
    const detail = await detailOf(`Bearer ${token}`, { ...issuer, jwksUri: "https://keys.test/many" });
    expect(detail).toBe("the token names no key (kid), and its issuer has 9 that fit; at most 8 are tried");
    expect(hasRow(detail)).toBe(true);
  });
});

describe("the message about an Authorization header", () => {
  test.each([
    ["Basic YTpi", "the Authorization header has no proof of a kind that is accepted here: it is not Bearer"],
    [GOOD, "the Authorization header has no proof of a kind that is accepted here: it is not Bearer"],
    [`Bearer  ${GOOD}`, "the Authorization header must be Bearer, one space and one token"],
  ])("%s", async (header, message) => {
    const detail = await detailOf(header);
    expect(detail).toBe(message);
    expect(hasRow(detail)).toBe(true);
  });
});
