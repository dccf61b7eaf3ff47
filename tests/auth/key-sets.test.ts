import { afterAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { MAX_CANDIDATES } from "../../src/auth/jwt/key-set.ts";
import { forge, pairs, publicJwk, signers, untrustedPair } from "./forge.ts";
import { localIssuer } from "./local-issuer.ts";
import { oidcMint } from "./mint.ts";

/** Key sets of the forms that issuers publish, and the tokens that they verify. */

const KEYS = "https://keys.test/jwks";
const ISSUER = "https://login.test";
const local = await localIssuer();
afterAll(() => local[Symbol.asyncDispose]());

const rsa = publicJwk(pairs.rsa);
const other = publicJwk(pairs["other rsa"]);
const ed = publicJwk(pairs.ed25519);
const byRsa = signers.rs256(pairs.rsa);
const byOther = signers.rs256(pairs["other rsa"]);
const byUntrusted = signers.rs256(untrustedPair);
const byEd = signers.ed25519(pairs.ed25519);

async function outcome(keys: readonly object[], header: object, signer = byRsa) {
  local.publish({ [KEYS]: { keys } });
  const issuers = [{ issuer: ISSUER, audience: ["nats"], jwksUri: KEYS }];
  const mint = oidcMint({ issuers: () => issuers, fetch: local.fetch });
  const claims = { iss: ISSUER, aud: "nats", sub: "alice", exp: Math.floor(Date.now() / 1000) + 600 };
  const result = await mint.requestCreds(forge({ header: { alg: "RS256", ...header }, claims, signer }));
  expect(mint.errors).toEqual([]);
  return result.outcome;
}

type Row = [string, readonly object[], object, (input: Buffer) => Buffer];

describe("a token is accepted with", () => {
  const rows: Row[] = [
    [
      "the same key twice",
      [
        { ...rsa, kid: "1" },
        { ...rsa, kid: "1" },
      ],
      { kid: "1" },
      byRsa,
    ],
    [
      "the same key twice, once with alg",
      [
        { ...rsa, kid: "1", alg: "RS256" },
        { ...rsa, kid: "1" },
      ],
      { kid: "1" },
      byRsa,
    ],
    [
      "the same key under two names",
      [
        { ...rsa, kid: "1" },
        { ...rsa, kid: "2" },
      ],
      { kid: "2" },
      byRsa,
    ],
    [
      "the same key under two names, and no kid",
      [
        { ...rsa, kid: "1" },
        { ...rsa, kid: "2" },
      ],
      {},
      byRsa,
    ],
    [
      "two keys of the same name",
      [
        { ...other, kid: "1" },
        { ...rsa, kid: "1" },
      ],
      { kid: "1" },
      byRsa,
    ],
    ["an empty kid on both sides", [{ ...rsa, kid: "" }], { kid: "" }, byRsa],
    ["an empty kid of the key", [{ ...rsa, kid: "" }], {}, byRsa],
    ["an empty kid of the key, and a kid", [{ ...rsa, kid: "" }], { kid: "1" }, byRsa],
    ["an empty kid of the token", [{ ...rsa, kid: "1" }], { kid: "" }, byRsa],
    ["a kid that is no text", [{ ...rsa, kid: 1 }], { kid: "1" }, byRsa],
    ["no kid, one key", [rsa], {}, byRsa],
    ["no kid, several keys, the first", [rsa, other, ed], {}, byRsa],
    ["no kid, several keys, the last", [other, ed, rsa], {}, byRsa],
    [
      "no kid in the token only",
      [
        { ...other, kid: "2" },
        { ...rsa, kid: "1" },
      ],
      {},
      byRsa,
    ],
    ["no kid in the keys only", [other, rsa], { kid: "1" }, byRsa],
    ["no kid in one key, which signed", [{ ...other, kid: "2" }, rsa], { kid: "1" }, byRsa],
    ["a kid beside keys without one", [rsa, { ...other, kid: "2" }], { kid: "2" }, byOther],
    [
      "Ed25519 in the header, EdDSA in the key",
      [{ ...ed, kid: "1", alg: "EdDSA" }],
      { alg: "Ed25519", kid: "1" },
      byEd,
    ],
    [
      "EdDSA in the header, Ed25519 in the key",
      [{ ...ed, kid: "1", alg: "Ed25519" }],
      { alg: "EdDSA", kid: "1" },
      byEd,
    ],
    ["Ed25519 in the header, no alg in the key", [ed], { alg: "Ed25519" }, byEd],
    [
      "unknown fields of the key",
      [{ ...rsa, kid: "1", x5t: "x", x5c: [], issuer: "https://other.test" }],
      { kid: "1" },
      byRsa,
    ],
    ["key_ops", [{ ...rsa, kid: "1", key_ops: ["verify"] }], { kid: "1" }, byRsa],
    [
      "keys that can't be used beside it",
      [{}, { kty: "oct", kid: "1" }, { ...rsa, kid: "1" }],
      { kid: "1" },
      byRsa,
    ],
  ];
  test.each(rows)("%s", async (_, keys, header, signer) => {
    expect(await outcome(keys, header, signer)).toBe("granted");
  });
});

describe("a token is refused with", () => {
  const many = Array.from({ length: MAX_CANDIDATES + 1 }, () =>
    publicJwk(generateKeyPairSync("ec", { namedCurve: "P-256" })),
  );
  const rows: [string, readonly object[], object, (input: Buffer) => Buffer, string][] = [
    ["no kid, and none of the keys", [rsa, other], {}, byUntrusted, "bad_signature"],
    [
      "a kid, and the signature of another key",
      [
        { ...rsa, kid: "1" },
        { ...other, kid: "2" },
      ],
      { kid: "1" },
      byOther,
      "bad_signature",
    ],
    ["a kid that no key has", [{ ...rsa, kid: "1" }], { kid: "2" }, byRsa, "unknown_key"],
    [
      "a kid, and the signature of a key without one",
      [rsa, { ...other, kid: "2" }],
      { kid: "2" },
      byRsa,
      "bad_signature",
    ],
    ["a key for another algorithm", [{ ...rsa, kid: "1", alg: "PS256" }], { kid: "1" }, byRsa, "unknown_key"],
    ["a key of another type", [{ ...ed, kid: "1" }], { kid: "1" }, byRsa, "unknown_key"],
    ["a key for encryption", [{ ...rsa, use: "enc" }, other], {}, byRsa, "bad_signature"],
    [
      "a key for signing only",
      [{ ...rsa, kid: "1", key_ops: ["sign"] }, other],
      { kid: "1" },
      byRsa,
      "bad_signature",
    ],
    [
      "no kid, and more keys than are tried",
      many,
      { alg: "ES256" },
      signers.ec("sha256", pairs["p-256"]),
      "unknown_key",
    ],
  ];
  test.each(rows)("%s", async (_, keys, header, signer, reason) => {
    expect(await outcome(keys, header, signer)).toBe(`unauthorized: ${reason}`);
  });
});

test("an issuer's algorithms may have either name of Ed25519", async () => {
  local.publish({ [KEYS]: { keys: [ed] } });
  const claims = { iss: ISSUER, aud: "nats", sub: "alice", exp: Math.floor(Date.now() / 1000) + 600 };
  for (const accepted of ["EdDSA", "Ed25519"]) {
    for (const alg of ["EdDSA", "Ed25519"]) {
      const issuers = [{ issuer: ISSUER, audience: ["nats"], jwksUri: KEYS, algorithms: [accepted] }];
      const { requestCreds } = oidcMint({ issuers: () => issuers, fetch: local.fetch });
      expect((await requestCreds(forge({ header: { alg }, claims, signer: byEd }))).outcome).toBe("granted");
      const rs256 = forge({ header: { alg: "RS256" }, claims, signer: byRsa });
      expect((await requestCreds(rs256)).outcome).toBe("unauthorized: algorithm_not_allowed");
    }
  }
});

test("keys without a name may be replaced: a token of the new one is verified at once, a forged one refused", async () => {
  const issuers = [{ issuer: ISSUER, audience: ["nats"], jwksUri: KEYS }];
  const { requestCreds, clock, errors } = oidcMint({ issuers: () => issuers, fetch: local.fetch });
  clock.stop();
  const exp = Math.floor(Date.now() / 1000) + 600;
  let subjects = 0;
  const send = async (signer: (input: Buffer) => Buffer) => {
    const claims = { iss: ISSUER, aud: "nats", sub: `user ${subjects++}`, exp };
    return (await requestCreds(forge({ header: { alg: "RS256" }, claims, signer }))).outcome;
  };
  local.publish({ [KEYS]: { keys: [rsa] } });
  expect(await send(byRsa)).toBe("granted");
  local.publish({ [KEYS]: { keys: [other] } });
  expect(await send(byOther)).toBe("granted");
  expect(await send(byRsa)).toBe("unauthorized: bad_signature");

  // Forged tokens can't make the mint fetch keys without limit; until the next fetch it can't tell a new key from none.
  const before = local.requests.length;
  const outcomes: string[] = [];
  for (let n = 0; n < 20; n++) outcomes.push(await send(byUntrusted));
  expect(local.requests.length - before).toBeLessThanOrEqual(5);
  expect([...new Set(outcomes)]).toEqual(["unauthorized: bad_signature", "issuer_unavailable"]);
  expect(await send(byOther)).toBe("granted");
  local.publish({ [KEYS]: { keys: [rsa] } });
  expect(await send(byRsa)).toBe("issuer_unavailable");
  clock.advance(5);
  expect(await send(byRsa)).toBe("granted");
  expect(errors).toEqual([]);
});
