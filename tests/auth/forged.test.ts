import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { UnauthorizedReason } from "../../src/core/errors.ts";
import type { OidcIssuer } from "../../src/core/policy/issuer.ts";
import { base64url, forge, jwks, type Parts, pairs, publicJwk, signers, untrustedPair } from "./forge.ts";
import { type OidcMint, oidcMint, readResponse } from "./mint.ts";

/**
 * Tokens that must be refused. Each differs from an accepted token only in what its name says, and each is sent to a new
 * mint.
 */

const API = "https://mint.test/api";
const now = () => Math.floor(Date.now() / 1000);
// All times have a margin for a slow machine.
const EXPIRES = now() + 3600;
const HALF_AN_HOUR = now() + 1800;

const published = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json(jwks) });
/** The server from which the keys would be fetched that a token names. */
const attacker = { requests: 0 };
const attackerServer = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch() {
    attacker.requests++;
    return Response.json({ keys: [{ ...publicJwk(untrustedPair), kid: "rsa" }] });
  },
});
afterAll(() => Promise.all([published.stop(true), attackerServer.stop(true)]));

const ISSUER = "https://login.test/realm";
const issuers: readonly OidcIssuer[] = [
  { issuer: ISSUER, audience: [API], jwksUri: `http://127.0.0.1:${published.port}/jwks` },
];
const newMint = () => oidcMint({ issuers: () => issuers });

const HEADER = { alg: "RS256", typ: "at+jwt", kid: "rsa" };
const CLAIMS = { iss: ISSUER, sub: "alice", aud: API, exp: EXPIRES };
const signer = signers.rs256(pairs.rsa);

/** The valid token, with these parts replaced. */
const token = (parts: Partial<Parts> = {}) => forge({ header: HEADER, claims: CLAIMS, signer, ...parts });
const withHeader = (header: object, by = signer) => token({ header: { ...HEADER, ...header }, signer: by });
const withClaims = (claims: object) => token({ claims: { ...CLAIMS, ...claims } });
const without = (claim: keyof typeof CLAIMS) => {
  const { [claim]: _, ...claims } = CLAIMS;
  return token({ claims });
};
const GOOD = token();
const [head, body, signature] = GOOD.split(".") as [string, string, string];

const pem = pairs.rsa.publicKey.export({ format: "pem", type: "spki" }) as string;
const pkcs1 = pairs.rsa.publicKey.export({ format: "pem", type: "pkcs1" }) as string;
const der = pairs.rsa.publicKey.export({ format: "der", type: "spki" }) as Buffer;
const jwk = JSON.stringify(publicJwk(pairs.rsa));
const own = { ...publicJwk(untrustedPair), kid: "rsa" };
const byUntrusted = signers.rs256(untrustedPair);
const attackerUrl = `http://127.0.0.1:${attackerServer.port}/jwks`;
const es256 = { alg: "ES256", kid: "p-256" };
const ed = { alg: "EdDSA", kid: "ed25519" };
/** The order of P-256's group. */
const N = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");

describe("a token is accepted", () => {
  const accepted: [string, string][] = [
    ["as made by this test", GOOD],
    ["signed with PS256", withHeader({ alg: "PS256" }, signers.ps256(pairs.rsa))],
    ["signed with RS512", withHeader({ alg: "RS512" }, signers.rs512(pairs.rsa))],
    ["signed with ES256", withHeader(es256, signers.ec("sha256", pairs["p-256"]))],
    ["signed with ES384", withHeader({ alg: "ES384", kid: "p-384" }, signers.ec("sha384", pairs["p-384"]))],
    ["signed with EdDSA", withHeader(ed, signers.ed25519(pairs.ed25519))],
    ["signed with Ed25519", withHeader({ alg: "Ed25519", kid: "ed25519" }, signers.ed25519(pairs.ed25519))],
    ["without a kid, where several keys fit", withHeader({ kid: undefined })],
    ["with an empty kid", withHeader({ kid: "" })],
    [
      "without a kid, signed with the second key that fits",
      withHeader({ kid: undefined }, signers.rs256(pairs["other rsa"])),
    ],
    ["without a type", withHeader({ typ: undefined })],
    ["of type JWT", withHeader({ typ: "JWT" })],
    ["of type application/at+jwt", withHeader({ typ: "application/at+JWT" })],
    ["for several audiences", withClaims({ aud: ["https://other.test", API] })],
    ["with the longest subject", withClaims({ sub: "s".repeat(255) })],
    ["with a subject of any text", withClaims({ sub: "*.>\u0000 {{name()}} 👩" })],
    ["with a fraction in exp", withClaims({ exp: EXPIRES + 0.5 })],
    ["with exp far in the future: the role's lifetime still applies", withClaims({ exp: 1e300 })],
    ["issued by a clock that is a few seconds ahead", withClaims({ iat: now() + 20, nbf: now() + 20 })],
    ["with a claim twice, of which the last counts", token({ claims: twice("sub", "mallory", "alice") })],
    ["with a header parameter twice, of which the last counts", token({ header: headerTwice("none") })],
    ["with the name of a prototype as a claim", token({ claims: more('"__proto__":{"sub":"admin"}') })],
    ["with keys in its header, which are ignored", withHeader({ jwk: own, jku: attackerUrl })],
  ];
  for (const [name, good] of accepted) {
    test(name, async () => {
      const { requestCreds, errors, decisions } = newMint();
      const { status, expiresAt } = await requestCreds(good);
      expect([status, errors]).toEqual([200, []]);
      expect(decisions[0]?.issuer).toBe(ISSUER);
      expect(decisions[0]?.subject).not.toBe("mallory");
      expect(expiresAt).toBeLessThanOrEqual(now() + 900);
    });
  }
});

const noAlgorithm = [
  "none",
  "None",
  "NONE",
  "nOnE",
  "none ",
  "",
  null,
  0,
  [],
  ["RS256"],
  {},
  true,
  undefined,
];
const unsupported = [
  "RS1",
  "RS257",
  "rs256",
  "RS256 ",
  "ES256K",
  "ML-DSA-44",
  "__proto__",
  "constructor",
  "dir",
];

const forged: [string, UnauthorizedReason, string][] = [
  // Without a signature.
  ...noAlgorithm.flatMap((alg): [string, UnauthorizedReason, string][] => {
    const unsigned = token({ header: { ...HEADER, alg }, signer: signers.bytes(Buffer.alloc(0)) });
    return [
      [`alg ${JSON.stringify(alg)}, not signed`, "algorithm_not_allowed", unsigned],
      [`alg ${JSON.stringify(alg)}, signed`, "algorithm_not_allowed", withHeader({ alg })],
    ];
  }),
  ["an empty signature", "bad_signature", `${head}.${body}.`],
  ["no signature and no second dot", "malformed", `${head}.${body}`],

  // Other algorithms.
  ...unsupported.map((alg): [string, UnauthorizedReason, string] => [
    `alg ${alg}`,
    "algorithm_not_allowed",
    withHeader({ alg }),
  ]),
  ...(["256", "384", "512"] as const).flatMap((bits): [string, UnauthorizedReason, string][] =>
    Object.entries({
      PEM: pem,
      "PEM without its last newline": pem.trim(),
      PKCS1: pkcs1,
      DER: der,
      JWK: jwk,
    }).map(([form, secret]) => [
      `HS${bits} with the public key as the secret, as ${form}`,
      "algorithm_not_allowed",
      withHeader({ alg: `HS${bits}` }, signers.hmac(`sha${bits}`, secret)),
    ]),
  ),
  [
    "HS256 with an empty secret",
    "algorithm_not_allowed",
    withHeader({ alg: "HS256" }, signers.hmac("sha256", "")),
  ],
  ["PS256 in the header, signed with RS256", "bad_signature", withHeader({ alg: "PS256" })],
  ["RS256 in the header, signed with PS256", "bad_signature", withHeader({}, signers.ps256(pairs.rsa))],
  ["RS512 in the header, signed with RS256", "bad_signature", withHeader({ alg: "RS512" })],
  [
    "RS256 with a key for PS256",
    "unknown_key",
    withHeader({ kid: "only PS256" }, signers.rs256(pairs["only PS256"])),
  ],
  [
    "RS256 in the header, with an EC key",
    "unknown_key",
    withHeader({ kid: "p-256" }, signers.ec("sha256", pairs["p-256"])),
  ],
  ["ES256 in the header, with an RSA key", "unknown_key", withHeader({ alg: "ES256" })],
  [
    "ES256 in the header, with a key on P-384",
    "unknown_key",
    withHeader({ ...es256, kid: "p-384" }, signers.ec("sha256", pairs["p-384"])),
  ],
  ["HS256 in the header, signed with RS256", "algorithm_not_allowed", withHeader({ alg: "HS256" })],

  // Keys in the token itself.
  ["signed with an unknown key", "bad_signature", withHeader({}, byUntrusted)],
  ["signed with an unknown key, with jwk", "bad_signature", withHeader({ jwk: own }, byUntrusted)],
  [
    "signed with an unknown key, with jwk and no kid",
    "bad_signature",
    withHeader({ jwk: own, kid: undefined }, byUntrusted),
  ],
  ["signed with an unknown key, with jku", "bad_signature", withHeader({ jku: attackerUrl }, byUntrusted)],
  [
    "signed with an unknown key, with jku and another kid",
    "unknown_key",
    withHeader({ jku: attackerUrl, kid: "mine" }, byUntrusted),
  ],
  ["signed with an unknown key, with x5u", "bad_signature", withHeader({ x5u: attackerUrl }, byUntrusted)],
  [
    "signed with an unknown key, with x5c",
    "bad_signature",
    withHeader({ x5c: [base64url(der)], x5t: "x" }, byUntrusted),
  ],
  [
    "signed with an unknown key, with iss and jwks_uri in the header",
    "bad_signature",
    withHeader({ iss: attackerUrl, jwks_uri: attackerUrl }, byUntrusted),
  ],

  // Key IDs.
  ...[
    "../../../../dev/null",
    "file:///dev/null",
    attackerUrl,
    "' OR 1=1 --",
    "rsa\u0000",
    "RSA",
    " rsa",
    "__proto__",
    "0",
    "k".repeat(4000),
  ].map((kid): [string, UnauthorizedReason, string] => [
    `kid ${JSON.stringify(kid).slice(0, 40)}`,
    "unknown_key",
    withHeader({ kid }),
  ]),
  ...[null, {}, [], ["rsa"], 0, true].map((kid): [string, UnauthorizedReason, string] => [
    `kid ${JSON.stringify(kid)}, no string`,
    "malformed",
    withHeader({ kid }),
  ]),
  ["no kid, signed with an unknown key", "bad_signature", withHeader({ kid: undefined }, byUntrusted)],
  [
    "no kid, signed with a key for encryption",
    "bad_signature",
    withHeader({ kid: undefined }, signers.rs256(pairs["encryption rsa"])),
  ],
  [
    "no kid, signed with a key of 1024 bits",
    "bad_signature",
    withHeader({ kid: undefined }, signers.rs256(pairs["weak rsa"])),
  ],
  [
    "no kid, signed with RS256 and a key for PS256",
    "bad_signature",
    withHeader({ kid: undefined }, signers.rs256(pairs["only PS256"])),
  ],
  ["the kid of another key of the issuer", "bad_signature", withHeader({ kid: "other rsa" })],
  [
    "the kid of a key for encryption",
    "unknown_key",
    withHeader({ kid: "encryption rsa" }, signers.rs256(pairs["encryption rsa"])),
  ],
  [
    "an RSA key of 1024 bits",
    "unknown_key",
    withHeader({ kid: "weak rsa" }, signers.rs256(pairs["weak rsa"])),
  ],

  // Other headers.
  ...[
    "logout+jwt",
    "dpop+jwt",
    "secevent+jwt",
    "JOSE",
    "JWE",
    "jwtx",
    "application/json",
    "",
    "text/at+jwt",
    null,
    1,
    ["JWT"],
  ].map((typ): [string, UnauthorizedReason, string] => [
    `typ ${JSON.stringify(typ)}`,
    "wrong_type",
    withHeader({ typ }),
  ]),
  ["cty JWT", "wrong_type", withHeader({ cty: "JWT" })],
  ["a token within the token", "malformed", token({ header: { ...HEADER, cty: "JWT" }, claims: GOOD })],
  ["crit, unknown", "malformed", withHeader({ crit: ["exp"], exp: EXPIRES })],
  ["crit, empty", "malformed", withHeader({ crit: [] })],
  ["crit b64", "malformed", withHeader({ crit: ["b64"], b64: true })],
  ["b64 false", "malformed", withHeader({ crit: ["b64"], b64: false })],
  ["b64 false without crit", "malformed", withHeader({ b64: false })],
  [
    "alg twice, the last of them none",
    "algorithm_not_allowed",
    token({ header: '{"alg":"RS256","kid":"rsa","alg":"none"}' }),
  ],

  // Issuer, audience and subject.
  ["no iss", "missing_claim", without("iss")],
  ...[null, "", 1, [ISSUER], { iss: ISSUER }, true].map((iss): [string, UnauthorizedReason, string] => [
    `iss ${JSON.stringify(iss)}`,
    "missing_claim",
    withClaims({ iss }),
  ]),
  ...[
    `${ISSUER}/`,
    ISSUER.toUpperCase(),
    "https://LOGIN.test/realm",
    "http://login.test/realm",
    "https://login.test:443/realm",
    "https://login.test/realm?",
    "https://login.test/realm#",
    "https://login.test/./realm",
    "https://login.test/re%61lm",
    "https://login.test@evil.test/realm",
    "https://evil.test/realm",
    "https://login.test.evil.test/realm",
    "https://lоgin.test/realm", // Cyrillic о
    ` ${ISSUER}`,
    `${ISSUER}\u0000`,
    "__proto__",
  ].map((iss): [string, UnauthorizedReason, string] => [`iss ${iss}`, "unknown_issuer", withClaims({ iss })]),
  [
    "iss twice, the last of them another",
    "unknown_issuer",
    token({ claims: twice("iss", ISSUER, "https://evil.test") }),
  ],
  ["no aud", "missing_claim", without("aud")],
  ...[
    `${API}/`,
    `${API}/more`,
    API.slice(0, -1),
    "https://mint.test",
    API.toUpperCase(),
    ` ${API}`,
    `https://other.test ${API}`,
    `https://other.test,${API}`,
    "*",
    "",
    [],
    ["https://other.test"],
    [[API]],
    { [API]: true },
    null,
    true,
    1,
  ].map((aud): [string, UnauthorizedReason, string] => [
    `aud ${JSON.stringify(aud)}`,
    "wrong_audience",
    withClaims({ aud }),
  ]),
  ["aud only as azp and client_id", "wrong_audience", withClaims({ aud: "x", azp: API, client_id: API })],
  ["no sub", "missing_claim", without("sub")],
  ...["", null, 1, ["alice"], { sub: "alice" }, true, "s".repeat(256)].map(
    (sub): [string, UnauthorizedReason, string] => [
      `sub ${JSON.stringify(sub).slice(0, 20)}`,
      "missing_claim",
      withClaims({ sub }),
    ],
  ),
  ["half a surrogate pair as sub", "missing_claim", withClaims({ sub: "\ud800" })],
  [
    "sub within another claim",
    "missing_claim",
    token({ claims: { ...CLAIMS, sub: undefined, user: { sub: "alice" } } }),
  ],

  // Times.
  ["no exp", "missing_claim", without("exp")],
  ...[`"${EXPIRES}"`, "null", "true", `[${EXPIRES}]`, "1e400", "{}"].map(
    (exp): [string, UnauthorizedReason, string] => [
      `exp ${exp}`,
      "missing_claim",
      token({ claims: more(`"exp":${exp}`) }),
    ],
  ),
  ...["NaN", "Infinity", "0x7fffffff", "+1e9", "01"].map((exp): [string, UnauthorizedReason, string] => [
    `exp ${exp}, which is not valid JSON`,
    "malformed",
    token({ claims: more(`"exp":${exp}`) }),
  ]),
  ...[-1, 0, "-1e400", 1, now() - 1].map((exp): [string, UnauthorizedReason, string] => [
    `exp ${exp}`,
    "expired",
    token({ claims: more(`"exp":${exp}`) }),
  ]),
  ["nbf in half an hour", "not_yet_valid", withClaims({ nbf: HALF_AN_HOUR })],
  ["nbf in infinite time", "not_yet_valid", token({ claims: more('"nbf":1e400') })],
  ["nbf as a string", "missing_claim", withClaims({ nbf: "0" })],
  ["iat in half an hour", "not_yet_valid", withClaims({ iat: HALF_AN_HOUR })],
  ["iat in infinite time", "not_yet_valid", token({ claims: more('"iat":1e400') })],
  ["iat as a string", "missing_claim", withClaims({ iat: "0" })],

  // Purpose.
  [
    "events: a logout token",
    "wrong_type",
    withClaims({ events: { "http://schemas.openid.net/event/backchannel-logout": {} } }),
  ],
  ["events, null", "wrong_type", withClaims({ events: null })],
  ["cnf: bound by DPoP", "sender_constrained", withClaims({ cnf: { jkt: "x" } })],
  ["cnf: bound by a certificate", "sender_constrained", withClaims({ cnf: { "x5t#S256": "x" } })],
  ["cnf, null", "sender_constrained", withClaims({ cnf: null })],

  // Signatures.
  [
    "a truncated signature",
    "bad_signature",
    `${head}.${body}.${base64url(Buffer.from(signature, "base64url").subarray(1))}`,
  ],
  [
    "an extended signature",
    "bad_signature",
    `${head}.${body}.${base64url(Buffer.concat([Buffer.from(signature, "base64url"), Buffer.alloc(1)]))}`,
  ],
  ["one changed bit in the signature", "bad_signature", token({ signer: (input) => flip(signer(input)) })],
  [
    "the signature of other claims",
    "bad_signature",
    `${head}.${base64url(JSON.stringify({ ...CLAIMS, sub: "admin" }))}.${signature}`,
  ],
  [
    "the signature of another header",
    "bad_signature",
    `${base64url(JSON.stringify({ ...HEADER, typ: "JWT" }))}.${body}.${signature}`,
  ],
  ["an RSA signature of zeros", "bad_signature", token({ signer: signers.bytes(Buffer.alloc(256)) })],
  [
    "an RSA signature of one",
    "bad_signature",
    token({ signer: signers.bytes(Buffer.concat([Buffer.alloc(255), Buffer.from([1])])) }),
  ],
  ["an ES256 signature of zeros", "bad_signature", withHeader(es256, signers.bytes(Buffer.alloc(64)))],
  [
    "an ES256 signature of the group's order",
    "bad_signature",
    withHeader(es256, signers.bytes(Buffer.concat([N, N]))),
  ],
  [
    "an ES256 signature of zeros, in DER",
    "bad_signature",
    withHeader(es256, signers.bytes(Buffer.from("3006020100020100", "hex"))),
  ],
  [
    "an ES256 signature in DER",
    "bad_signature",
    withHeader(es256, signers.ec("sha256", pairs["p-256"], "der")),
  ],
  [
    "an ES256 signature over SHA-512",
    "bad_signature",
    withHeader(es256, signers.ec("sha512", pairs["p-256"])),
  ],
  ["an Ed25519 signature of zeros", "bad_signature", withHeader(ed, signers.bytes(Buffer.alloc(64)))],
  [
    "an Ed25519 signature with a point of small order",
    "bad_signature",
    withHeader(ed, signers.bytes(Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]))),
  ],
  [
    "an Ed25519 signature beyond the group's order",
    "bad_signature",
    withHeader(ed, (input) => addOrder(signers.ed25519(pairs.ed25519)(input))),
  ],

  // Encoding.
  ["a dot before it", "malformed", `.${GOOD}`],
  ["a dot after it", "malformed", `${GOOD}.`],
  ["something after it", "malformed", `${GOOD}.${signature}`],
  ["two dots in it", "malformed", `${head}..${body}.${signature}`],
  ["only dots", "malformed", ".."],
  [
    "a JWE",
    "malformed",
    `${base64url('{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}')}.${body}.${body}.${body}.${body}`,
  ],
  ["padding", "malformed", `${head}.${body}.${signature}==`],
  ["padding in the middle", "malformed", `${head}=.${body}.${signature}`],
  [
    "base64 instead of base64url",
    "malformed",
    `${head}.${body}.${Buffer.alloc(256, 0xfb).toString("base64").replace(/=/g, "")}`,
  ],
  [
    "unused bits of base64url that are not zero",
    "malformed",
    `${head}.${body}.${signature.slice(0, -1)}${next(signature.at(-1) as string)}`,
  ],
  ["a length that is invalid in base64url", "malformed", `${head}.${body}.${signature}AAA`],
  ["a space before it", "malformed", ` ${GOOD}`],
  ["a space in it", "malformed", `${head}. ${body}.${signature}`],
  ["a comma after it", "malformed", `${GOOD},`],
  ["the token twice", "malformed", `${GOOD}, Bearer ${GOOD}`],
  ["quotes around it", "malformed", `"${GOOD}"`],
  ["a Latin-1 character in it", "malformed", `${head}.${body}é.${signature}`],
  ["a header that is not JSON", "malformed", token({ header: "{" })],
  ["a header with something after it", "malformed", token({ header: `${JSON.stringify(HEADER)}x` })],
  ["a header that is a list", "malformed", token({ header: "[]" })],
  ["a header that is null", "malformed", token({ header: "null" })],
  [
    "a header that is not UTF-8",
    "malformed",
    token({ header: Buffer.from('{"alg":"RS256","kid":"\xff"}', "latin1") }),
  ],
  ["claims that are not JSON", "malformed", token({ claims: "alice" })],
  ["claims with something after them", "malformed", token({ claims: `${JSON.stringify(CLAIMS)}x` })],
  ["claims that are a list", "malformed", token({ claims: [CLAIMS] })],
  ["claims that are a string", "malformed", token({ claims: '"alice"' })],
  ["claims that are not UTF-8", "malformed", token({ claims: Buffer.from('{"iss":"\xff"}', "latin1") })],
  [
    "claims nested a thousand levels deep",
    "malformed",
    token({ claims: `${"[".repeat(1000)}${"]".repeat(1000)}` }),
  ],
  ["no claims", "malformed", `${head}..${signature}`],
  ["more than 8 KiB", "too_large", withClaims({ more: "x".repeat(8192) })],
];

describe("a token is refused", () => {
  test("the table of this test is long, and each name in it is unique", () => {
    expect(forged.length).toBeGreaterThan(150);
    expect(new Set(forged.map(([name]) => name)).size).toBe(forged.length);
  });

  for (const [name, reason, bad] of forged) {
    test(name, async () => {
      const { requestCreds, errors, warnings } = newMint();
      const response = await requestCreds(bad);
      expect([response.outcome, errors]).toEqual([`${codeOf(reason)}: ${reason}`, []]);
      expect(response.status).toBe(401);
      expect(JSON.parse(response.text).code).toBe(codeOf(reason));
      expectNothingOf(bad, response.text + warnings.join());
    });
  }

  test("and no key is fetched from a URL in a token", () => {
    expect(attacker.requests).toBe(0);
  });

  test("also after a valid one, which stays in the cache", async () => {
    const { requestCreds } = newMint();
    // Unknown keys are left out: the mint limits how often they are looked up, which is tested in oidc.test.ts.
    for (const [, reason, bad] of forged.filter(([, reason]) => reason !== "unknown_key")) {
      expect((await requestCreds(GOOD)).status).toBe(200);
      expect((await requestCreds(bad)).outcome).toBe(`${codeOf(reason)}: ${reason}`);
    }
  });
});

describe("the place of the token", () => {
  const post = async ({ app, decisions }: OidcMint, init: RequestInit, path = "/creds") => {
    const headers = { "Content-Type": "application/json", ...(init.headers as object) };
    const request = { method: "POST", body: "{}", ...init, headers };
    return (await readResponse(await app.request(path, request), decisions)).outcome;
  };

  test("is the Authorization header only: not the URL, a cookie, another header or the body", async () => {
    const mint = newMint();
    const nothing = "unauthorized: no_proof";
    expect(await post(mint, {}, `/creds?access_token=${GOOD}`)).toBe(nothing);
    expect(await post(mint, { headers: { Cookie: `access_token=${GOOD}; token=${GOOD}` } })).toBe(nothing);
    expect(
      await post(mint, { headers: { "X-Access-Token": GOOD, "Proxy-Authorization": `Bearer ${GOOD}` } }),
    ).toBe(nothing);
    expect(await post(mint, { body: JSON.stringify({ access_token: GOOD }) })).toBe("invalid_request");
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    expect(await post(mint, { headers: form, body: `access_token=${GOOD}` })).toBe("unsupported_media_type");
  });

  test("is behind the scheme Bearer, in any case, and no other scheme", async () => {
    const mint = newMint();
    const under = (value: string) => post(mint, { headers: { Authorization: value } });
    for (const scheme of ["Bearer", "bearer", "BEARER", "bEaReR"]) {
      expect(await under(`${scheme} ${GOOD}`)).toBe("granted");
    }
    for (const scheme of ["Basic", "DPoP", "Token", "Bearers", "JWT", "Bear"]) {
      expect(await under(`${scheme} ${GOOD}`)).toBe("unauthorized: malformed");
    }
    expect(await under(GOOD)).toBe("unauthorized: malformed");
    for (const value of [`Bearer  ${GOOD}`, `Bearer\t${GOOD}`, "Bearer", "Bearer ", `Bearer, ${GOOD}`]) {
      expect(await under(value)).toBe("unauthorized: malformed");
    }
  });

  test("is one header: two of them are refused", async () => {
    const mint = newMint();
    const headers = new Headers({ "Content-Type": "application/json", Authorization: `Bearer ${GOOD}` });
    headers.append("Authorization", `Bearer ${GOOD}`);
    const response = await mint.app.request("/creds", { method: "POST", body: "{}", headers });
    expect((await readResponse(response, mint.decisions)).outcome).toBe("unauthorized: malformed");
  });
});

test("any invalid token gets a response 401 that shows no part of it", async () => {
  const latin1 = fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  });
  const visible = latin1.filter((text) => !/[\r\n]/.test(text));
  const part = fc.oneof(
    fc.base64String().map((text) => base64url(text)),
    fc.json().map(base64url),
    fc
      .dictionary(fc.constantFrom("alg", "kid", "typ", "crit", "iss", "sub", "exp"), fc.jsonValue())
      .map((json) => base64url(JSON.stringify(json))),
    fc.constantFrom(head, body, signature, ""),
  );
  const jwt = fc.array(part, { minLength: 2, maxLength: 6 }).map((parts) => parts.join("."));
  const cut = fc
    .tuple(fc.nat(GOOD.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, text]) => GOOD.slice(0, at) + text.replace(/[^ -~]/g, "") + GOOD.slice(at + 1));
  await fc.assert(
    fc.asyncProperty(fc.oneof(visible, jwt, cut), async (bad) => {
      // Header values are trimmed.
      fc.pre(bad.trim() !== GOOD);
      const mint = newMint();
      const response = await mint.requestCreds(bad);
      expect([response.status, mint.errors]).toEqual([401, []]);
      expectNothingOf(bad, response.text + mint.warnings.join() + JSON.stringify(mint.decisions));
    }),
    { numRuns: 500 },
  );
});

const codeOf = (reason: UnauthorizedReason) => (reason === "expired" ? "token_expired" : "unauthorized");

/** Checks the parts that are long enough to differ from the words of a message. */
function expectNothingOf(bad: string, shown: string): void {
  for (const part of bad.split(/[^A-Za-z0-9_-]+/)) {
    if (part.length > 12) expect(shown).not.toContain(part);
  }
}

/** The claims with one of them twice, the given value last. */
function twice(claim: string, first: string, last: string): string {
  const others = JSON.stringify({ ...CLAIMS, [claim]: undefined }).slice(1);
  return `{"${claim}":${JSON.stringify(first)},"${claim}":${JSON.stringify(last)},${others}`;
}

function headerTwice(first: string): string {
  return `{"alg":${JSON.stringify(first)},${JSON.stringify(HEADER).slice(1)}`;
}

/** The claims with a piece of JSON after them. */
function more(json: string): string {
  return `${JSON.stringify(CLAIMS).slice(0, -1)},${json}}`;
}

function flip(bytes: Buffer): Buffer {
  bytes[10] = (bytes[10] as number) ^ 1;
  return bytes;
}

/** The same scalar, written as another number, which must be refused (RFC 8032, section 5.1.7). */
function addOrder(bytes: Buffer): Buffer {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const scalar = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`) + order;
  const written = Buffer.from(scalar.toString(16).padStart(64, "0"), "hex").reverse();
  return Buffer.concat([bytes.subarray(0, 32), written]);
}

/** The character after this one in base64url. */
function next(character: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[alphabet.indexOf(character) + 1] as string;
}
