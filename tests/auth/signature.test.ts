import { beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type CryptoKey, errors, importJWK, type JWTPayload, jwtVerify } from "jose";
import { verifySignature } from "../../src/auth/jwt/signature.ts";
import { CLOCK_SKEW, peek, unauthorized } from "../../src/auth/jwt/token.ts";
import { UnauthorizedError } from "../../src/core/errors.ts";
import { forge, pairs, publicJwk, signers } from "./forge.ts";

/** Tokens signed with RSA are verified by the platform, and must have the same verdicts as from jose alone. */

const NOW = 1_800_000_000;
const ISSUER = "https://login.test";
const ALGORITHMS = ["RS256", "RS384", "RS512"] as const;
const HASHES = { RS256: "sha256", RS384: "sha384", RS512: "sha512" } as const;
const PAIRS = ["rsa", "other rsa"] as const;
const keys = new Map<string, CryptoKey>();

beforeAll(async () => {
  for (const alg of ALGORITHMS) {
    for (const name of PAIRS) {
      keys.set(`${alg} ${name}`, (await importJWK({ ...publicJwk(pairs[name]), alg }, alg)) as CryptoKey);
    }
  }
});

/** jose alone. */
async function oracle(token: string, alg: string, candidates: readonly CryptoKey[]): Promise<JWTPayload> {
  let failure: unknown = new errors.JWSSignatureVerificationFailed();
  for (const key of candidates) {
    try {
      const options = { issuer: ISSUER, algorithms: [alg], requiredClaims: ["iss", "sub", "exp"] };
      const times = { clockTolerance: CLOCK_SKEW, currentDate: new Date(NOW * 1000) };
      return (await jwtVerify(token, key, { ...options, ...times })).payload;
    } catch (error) {
      failure = error;
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
    }
  }
  throw unauthorized(failure, NOW);
}

const verdict = (result: Promise<JWTPayload>) =>
  result.catch((error) => {
    expect(error).toBeInstanceOf(UnauthorizedError);
    return `${error.reason}: ${error.message}`;
  });

async function compare(token: string, alg: string, candidates: readonly CryptoKey[]): Promise<unknown> {
  // A token that is refused before its signature is verified has no verdict of either.
  let peeked: ReturnType<typeof peek>;
  try {
    peeked = peek(token, NOW);
  } catch {
    return undefined;
  }
  if (peeked.header.alg !== alg || peeked.issuer !== ISSUER) return undefined;
  const ours = await verdict(verifySignature(token, peeked, candidates, NOW * 1000));
  expect(ours).toEqual(await verdict(oracle(token, alg, candidates)));
  return ours;
}

const algorithm = fc.constantFrom(...ALGORITHMS);
const signer = fc.constantFrom(...PAIRS);
const chosen = fc.subarray([...PAIRS]);
const time = fc.oneof(
  fc.constant(undefined),
  fc.integer({ min: -40, max: 40 }).map((seconds) => NOW + seconds),
  fc.constantFrom<unknown>(0, -1, 1e300, 0.5, NOW + 3600, "1", null, true, [], {}),
);
const subject = fc.constantFrom<unknown>("alice", "", undefined, null, 7, ["alice"]);
const claims = fc.record({ sub: subject, exp: time, nbf: time, iat: time });

interface Case {
  readonly alg: (typeof ALGORITHMS)[number];
  /** The algorithm of the signature, which the header may contradict. */
  readonly signedWith: (typeof ALGORITHMS)[number];
  readonly by: (typeof PAIRS)[number];
  readonly claims: object;
}

const make = ({ alg, signedWith, by, claims }: Case) =>
  forge({
    header: { alg },
    claims: { iss: ISSUER, ...claims },
    signer: (input) => signers.rsa(HASHES[signedWith], pairs[by])(input),
  });
const candidatesOf = (alg: string, names: readonly string[]) =>
  names.map((name) => keys.get(`${alg} ${name}`) as CryptoKey);

test("whatever the claims, the key and the algorithm of the signature", async () => {
  const property = fc.asyncProperty(algorithm, algorithm, signer, chosen, claims, async (...parts) => {
    const [alg, signedWith, by, names, claims] = parts;
    await compare(make({ alg, signedWith, by, claims }), alg, candidatesOf(alg, names));
  });
  await fc.assert(property, { numRuns: 500 });
});

test("whichever character of the token is changed, left out or added", async () => {
  const good = { sub: "alice", exp: NOW + 60, iat: NOW };
  const change = fc.tuple(fc.nat(), fc.constantFrom("", "A", "Q", "_", "=", ".", "\n", "AAAA"), fc.nat(1));
  const property = fc.asyncProperty(algorithm, change, async (alg, [place, text, length]) => {
    const token = make({ alg, signedWith: alg, by: "rsa", claims: good });
    const at = place % token.length;
    const changed = token.slice(0, at) + text + token.slice(at + length);
    const result = await compare(changed, alg, candidatesOf(alg, ["rsa"]));
    if (changed !== token) expect(typeof result === "string" || result === undefined).toBe(true);
  });
  await fc.assert(property, { numRuns: 500 });
});

test("of special signatures", async () => {
  const { length } = signers.rsa("sha256", pairs.rsa)(Buffer.from("x"));
  const signatures = [
    Buffer.alloc(length),
    Buffer.alloc(length, 255),
    Buffer.alloc(0),
    Buffer.from([0]),
    Buffer.from([1]),
  ];
  for (const alg of ALGORITHMS) {
    for (const bytes of signatures) {
      const parts = { header: { alg }, claims: { iss: ISSUER, sub: "alice", exp: NOW + 60 } };
      const token = forge({ ...parts, signer: signers.bytes(bytes) });
      const result = await compare(token, alg, candidatesOf(alg, PAIRS));
      expect(String(result)).toContain("bad_signature");
    }
  }
});
