import { describe, expect, test } from "bun:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { IssuerUnavailableError, UnauthorizedError } from "../../core/errors.ts";
import type { JwtIssuer } from "./issuer-table.ts";
import { jwtAuthentication } from "./verifier.ts";

const ISSUER = "https://login.test";
const { publicKey, privateKey } = await generateKeyPair("ES256");
const keySet = { keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" }] };

const signToken = (issuer: string) =>
  new SignJWT()
    .setProtectedHeader({ alg: "ES256", kid: "1" })
    .setIssuer(issuer)
    .setSubject("alice")
    .setAudience("nats")
    .setExpirationTime("5 minutes")
    .sign(privateKey);

function makeAuthentication(...issuers: Omit<JwtIssuer, "audience">[]) {
  const list = issuers.map((issuer) => ({ ...issuer, audience: ["nats"] }));
  const warnings: string[] = [];
  const jwt = jwtAuthentication({
    issuers: () => list,
    onWarning: (message) => warnings.push(message),
    timeout: 20,
  });
  return { ...jwt, warnings };
}

describe("an issuer with its own way to fetch keys", () => {
  test("verifies tokens, as identities of its method", async () => {
    const { authenticateToken } = makeAuthentication({
      issuer: ISSUER,
      method: "kubernetes",
      fetchKeySet: async () => keySet,
    });
    expect(await authenticateToken(await signToken(ISSUER), {})).toMatchObject({
      method: "kubernetes",
      issuer: ISSUER,
      subject: "alice",
    });
  });

  const FAILURES: Record<string, NonNullable<JwtIssuer["fetchKeySet"]>> = {
    "never settles": () => new Promise(() => {}),
    throws: () => {
      throw new Error("no socket");
    },
    "rejects with null": () => Promise.reject(null),
    "rejects with undefined": () => Promise.reject(undefined),
    "returns null": async () => null,
    "returns text": async () => "keys",
  };
  for (const [what, fetchKeySet] of Object.entries(FAILURES)) {
    test(`that ${what} makes its tokens unavailable, with a pause, and ends nothing`, async () => {
      let fetches = 0;
      const { authenticateToken, warmUp, warnings } = makeAuthentication({
        issuer: ISSUER,
        fetchKeySet(signal) {
          fetches++;
          return fetchKeySet(signal);
        },
      });
      await warmUp();
      const token = await signToken(ISSUER);
      for (let i = 0; i < 5; i++) {
        await expect(authenticateToken(token, {})).rejects.toThrow(IssuerUnavailableError);
      }
      expect(fetches).toBe(1);
      expect(warnings).toHaveLength(1);
    });
  }
});

test("an issuer that is configured twice is trusted by neither entry, and named in a warning", async () => {
  const fetchKeySet = async () => keySet;
  const { authenticateToken, warnings } = makeAuthentication(
    { issuer: ISSUER, fetchKeySet },
    { issuer: "https://other.test", fetchKeySet },
    { issuer: ISSUER, method: "session", fetchKeySet },
  );
  await expect(authenticateToken(await signToken(ISSUER), {})).rejects.toThrow(UnauthorizedError);
  expect(await authenticateToken(await signToken("https://other.test"), {})).toMatchObject({
    method: "oidc",
  });
  expect(warnings).toEqual([`issuer "${ISSUER}": is configured 2 times, so its tokens are refused`]);
});

test("an unknown issuer is named when it is a URL, and not shown otherwise", async () => {
  const { authenticateToken } = makeAuthentication();
  await expect(authenticateToken(await signToken(ISSUER), {})).rejects.toThrow(
    `not trusted here: "${ISSUER}"`,
  );
  const secret = `SU${"A".repeat(56)}`;
  await expect(authenticateToken(await signToken(secret), {})).rejects.toThrow(/not trusted here$/);
});
