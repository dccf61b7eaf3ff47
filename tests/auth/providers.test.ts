import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jwtAuthentication } from "../../src/auth/jwt/verifier.ts";
import { RoleNotAllowedError, TagNotAllowedError, UnauthorizedError } from "../../src/core/errors.ts";
import { activatePolicy } from "../../src/core/policy/active.ts";
import { parsePolicyFile } from "../../src/core/policy/file.ts";
import { blocks, links, rows, section } from "../docs/markdown.ts";
import { forge, pairs, publicJwk, signers, untrustedPair } from "./forge.ts";
import { localIssuer, wellKnown } from "./local-issuer.ts";

/**
 * The recipes of docs/providers.md: a token of the shape that each section shows, from a local issuer that publishes its
 * documents as the provider does, gets what the section says from its policy. Nothing else does.
 */

const guide = readFileSync(join(import.meta.dirname, "../../docs/providers.md"), "utf8");
const local = await localIssuer();
afterAll(() => local[Symbol.asyncDispose]());

interface Token {
  readonly header: { readonly alg: string; readonly kid: string };
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What a provider publishes: where, under which name, and with which fields beside those of the key itself. */
interface Publication {
  readonly discovery?: string;
  readonly issuer?: string;
  readonly keys: string;
  readonly jwk?: object;
}

const PUBLICATIONS: Readonly<Record<string, Publication>> = {
  Keycloak: {
    discovery: wellKnown("https://login.example.com/realms/shop"),
    keys: "https://login.example.com/realms/shop/protocol/openid-connect/certs",
    jwk: { alg: "RS256", use: "sig", x5c: ["MIIC"], x5t: "x", "x5t#S256": "x" },
  },
  "Entra ID": {
    discovery: wellKnown("https://login.microsoftonline.com/organizations/v2.0"),
    issuer: "https://login.microsoftonline.com/{tenantid}/v2.0",
    keys: "https://login.microsoftonline.com/organizations/discovery/v2.0/keys",
    jwk: { use: "sig", x5t: "x", x5c: ["MIIC"], issuer: "https://login.microsoftonline.com/{tenantid}/v2.0" },
  },
  Auth0: {
    discovery: "https://shop.eu.auth0.com/.well-known/openid-configuration",
    keys: "https://shop.eu.auth0.com/.well-known/jwks.json",
    jwk: { use: "sig", alg: "RS256", x5t: "x", x5c: ["MIIC"] },
  },
  Okta: {
    discovery: wellKnown("https://shop.okta.com/oauth2/default"),
    keys: "https://shop.okta.com/oauth2/default/v1/keys",
    jwk: { use: "sig", alg: "RS256" },
  },
  Google: {
    discovery: wellKnown("https://accounts.google.com"),
    keys: "https://www.googleapis.com/oauth2/v3/certs",
    jwk: { use: "sig", alg: "RS256" },
  },
  "Amazon Cognito": {
    discovery: wellKnown("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE"),
    keys: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE/.well-known/jwks.json",
    jwk: { use: "sig", alg: "RS256" },
  },
  Clerk: {
    discovery: wellKnown("https://clerk.example.com"),
    keys: "https://clerk.example.com/.well-known/jwks.json",
    jwk: { use: "sig", alg: "RS256" },
  },
  Zitadel: {
    discovery: wellKnown("https://shop.zitadel.cloud"),
    keys: "https://shop.zitadel.cloud/oauth/v2/keys",
    jwk: { use: "sig", alg: "RS256" },
  },
  Authentik: {
    discovery: "https://auth.example.com/application/o/nats/.well-known/openid-configuration",
    keys: "https://auth.example.com/application/o/nats/jwks/",
    jwk: { use: "sig", alg: "RS256", x5c: ["MIIC"], x5t: "x", "x5t#S256": "x" },
  },
  Supabase: {
    keys: "https://abcdefghijklmnop.supabase.co/auth/v1/.well-known/jwks.json",
    jwk: { use: "sig", alg: "ES256", ext: true, key_ops: ["verify"] },
  },
  Firebase: {
    keys: "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    jwk: { use: "sig", alg: "RS256" },
  },
  "GitHub Actions": {
    discovery: wellKnown("https://token.actions.githubusercontent.com"),
    keys: "https://token.actions.githubusercontent.com/.well-known/jwks",
    jwk: { use: "sig", alg: "RS256", x5c: ["MIIC"], x5t: "x" },
  },
  "AD FS": {
    discovery: wellKnown("https://adfs.example.com/adfs"),
    issuer: "https://adfs.example.com/adfs",
    keys: "https://adfs.example.com/adfs/discovery/keys",
    jwk: { use: "sig", alg: "RS256", x5t: "x", x5c: ["MIIC"] },
  },
  Kubernetes: {
    keys: "https://kubernetes.default.svc/openid/v1/jwks",
    jwk: { use: "sig", alg: "RS256" },
  },
};

const names = rows(guide, "provider").map(([cell = ""]) => /\[(.*?)\]/.exec(cell)?.[1] ?? "");

test("the guide has a section for each provider of its table, and no other", () => {
  const headings = [...guide.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(names);
  expect(names).toEqual(Object.keys(PUBLICATIONS));
  expect(links(guide).filter((link) => link.startsWith("#"))).toHaveLength(names.length);
});

function recipe(name: string) {
  const text = section(guide, `## ${name}`);
  const [token = "", policy = "", ...more] = blocks(text)
    .filter(({ language }) => language === "json")
    .map((block) => block.text);
  expect(more).toEqual([]);
  const [, role = "", tags] = /^Grants the role `(.*?)`(?: with the tag `(.*?)`)?\.$/m.exec(text) ?? [];
  const [tag = "", value = ""] = tags?.split("=") ?? [];
  return {
    ...(JSON.parse(token) as Token),
    policy: activatePolicy(parsePolicyFile(policy), undefined),
    granted: { role, tags: tags ? { [tag]: value } : {} },
  };
}

/** Publishes as this provider does, and returns what its recipe grants to a token. */
function provider(name: string) {
  const { header, claims, policy, granted } = recipe(name);
  const { discovery, issuer = claims.iss, keys, jwk } = PUBLICATIONS[name] as Publication;
  const pair = header.alg === "ES256" ? pairs["p-256"] : pairs.rsa;
  const sign = header.alg === "ES256" ? signers.ec("sha256", pair) : signers.rs256(pair);
  const signByOther = signers.rs256(untrustedPair);
  // A provider has another key beside the present one, which it uses before or after it.
  const next = { ...publicJwk(pairs["other rsa"]), use: "sig", kid: "next" };
  local.publish({
    ...(discovery && { [discovery]: { issuer, jwks_uri: keys } }),
    [keys]: { keys: [next, { ...publicJwk(pair), kid: header.kid, ...jwk }] },
  });
  const warnings: string[] = [];
  const auth = jwtAuthentication({
    issuers: () => policy.issuers,
    fetch: local.fetch,
    onWarning: (warning) => warnings.push(warning),
  });
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now - 5, nbf: now - 5, exp: now + 60, jti: "1" };
  return {
    header,
    claims,
    granted,
    policy,
    warnings,
    async grantFor(changed: object = {}, by = sign) {
      const token = forge({ header, claims: { ...claims, ...times, ...changed }, signer: by });
      const identity = await auth.authenticateToken(token, {});
      if (!identity) throw new Error("the token was not accepted as a JWT");
      const { role, user, tags } = policy.grant(identity, {});
      expect(user).toMatch(/^u-/);
      return { role, tags: { ...tags } as unknown };
    },
    signByOther,
  };
}

describe.each(names)("a token of %s", (name) => {
  test("gets what the guide says", async () => {
    const { grantFor, granted, warnings } = provider(name);
    expect(await grantFor()).toEqual(granted);
    expect(warnings).toEqual([]);
  });

  test("for another audience, from another issuer, or signed by another key gets nothing", async () => {
    const { grantFor, policy, signByOther, claims, header } = provider(name);
    const { audienceClaim = "aud" } = policy.issuers[0] ?? {};
    for (const [changed, reason] of [
      [{ [audienceClaim]: "another" }, "wrong_audience"],
      [{ [audienceClaim]: undefined }, "missing_claim"],
      [{ [audienceClaim]: undefined, aud: "another" }, "missing_claim"],
      [{ iss: `${claims.iss}/other` }, "unknown_issuer"],
      [{ iss: "https://evil.test" }, "unknown_issuer"],
      [{ sub: undefined }, "missing_claim"],
    ] as const) {
      if (audienceClaim === "aud" && "aud" in changed && reason === "missing_claim" && changed.aud) continue;
      await expect(grantFor(changed)).rejects.toThrow(UnauthorizedError);
      await expect(grantFor(changed)).rejects.toMatchObject({ reason });
    }
    if (header.alg === "RS256") {
      await expect(grantFor({}, signByOther)).rejects.toMatchObject({ reason: "bad_signature" });
    }
  });

  test("without a claim that a rule needs gets nothing", async () => {
    const { grantFor, policy } = provider(name);
    const [rule] = policy.file.rules;
    for (const { claim } of rule?.when.claims ?? []) {
      await expect(grantFor({ [[claim].flat()[0] ?? ""]: undefined })).rejects.toThrow(RoleNotAllowedError);
      await expect(grantFor({ [[claim].flat()[0] ?? ""]: "another" })).rejects.toThrow(RoleNotAllowedError);
    }
    for (const source of Object.values(rule?.grant.tags ?? {})) {
      if (!("claim" in source)) continue;
      await expect(grantFor({ [[source.claim].flat()[0] ?? ""]: undefined })).rejects.toThrow(
        TagNotAllowedError,
      );
    }
  });
});

test("Entra ID: a tenant that is not listed gets nothing, whatever the token says", async () => {
  const { grantFor } = provider("Entra ID");
  const other = "https://login.microsoftonline.com/99999999-0000-4000-8000-000000000000/v2.0";
  await expect(grantFor({ iss: other })).rejects.toMatchObject({ reason: "unknown_issuer" });
});

test("Cognito: an ID token, which has aud and no client_id, gets nothing", async () => {
  const { grantFor } = provider("Amazon Cognito");
  const idToken = { client_id: undefined, aud: "1example23456789", token_use: "id" };
  await expect(grantFor(idToken)).rejects.toMatchObject({ reason: "missing_claim" });
});

test("anonymous users of Supabase and Firebase get nothing", async () => {
  await expect(provider("Supabase").grantFor({ is_anonymous: true })).rejects.toThrow(RoleNotAllowedError);
  const anonymous = { firebase: { identities: {}, sign_in_provider: "anonymous" } };
  await expect(provider("Firebase").grantFor(anonymous)).rejects.toThrow(RoleNotAllowedError);
});

test("Google's other name of the issuer is accepted with the settings that the guide names for it", async () => {
  const { policy, header, claims } = provider("Google");
  const [issuer] = policy.issuers;
  const issuers = [
    {
      ...issuer,
      issuer: "accounts.google.com",
      audience: issuer?.audience ?? [],
      discoveryUrl: "https://accounts.google.com/.well-known/openid-configuration",
      discoveryIssuer: "https://accounts.google.com",
    },
  ];
  const auth = jwtAuthentication({ issuers: () => issuers, fetch: local.fetch });
  const exp = Math.floor(Date.now() / 1000) + 60;
  const signer = signers.rs256(pairs.rsa);
  const token = (iss: string) => forge({ header, claims: { ...claims, iss, exp }, signer });
  expect(await auth.authenticateToken(token("accounts.google.com"), {})).toMatchObject({
    issuer: "accounts.google.com",
  });
  await expect(
    Promise.resolve(auth.authenticateToken(token("https://accounts.google.com"), {})),
  ).rejects.toMatchObject({ reason: "unknown_issuer" });
});
