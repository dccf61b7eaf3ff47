import { afterAll, expect, test } from "bun:test";
import { jwtAuthentication } from "../../src/auth/jwt/verifier.ts";
import { activatePolicy } from "../../src/core/policy/active.ts";
import { parsePolicy } from "../../src/core/policy/file.ts";
import { forge, pairs, publicJwk, signers } from "./forge.ts";
import { localIssuer, wellKnown } from "./local-issuer.ts";

/** Tokens of the shapes of further providers, which differ in ways that the recipes do not show. */

const local = await localIssuer();
afterAll(() => local[Symbol.asyncDispose]());

interface Shape {
  readonly header?: object;
  readonly claims: { readonly iss: string } & Record<string, unknown>;
  /** The entry of the policy, besides the issuer's name. */
  readonly issuer: object;
  readonly keys: string;
  /** The discovery document's URL, if it has one. */
  readonly discovery?: string;
  /** The source of the tag `room`, and the value that it has. */
  readonly tag?: readonly [object, string];
}

const SHAPES: Record<string, Shape> = {
  "Azure AD B2C, whose document is below the user flow": {
    claims: {
      iss: "https://shop.b2clogin.com/775527ff/v2.0/",
      aud: "90c0fe63",
      sub: "a",
      tfp: "B2C_1_signin",
    },
    issuer: {
      audience: ["90c0fe63"],
      discovery_url:
        "https://shop.b2clogin.com/shop.onmicrosoft.com/v2.0/.well-known/openid-configuration?p=B2C_1_signin",
    },
    discovery:
      "https://shop.b2clogin.com/shop.onmicrosoft.com/v2.0/.well-known/openid-configuration?p=B2C_1_signin",
    keys: "https://shop.b2clogin.com/shop.onmicrosoft.com/discovery/v2.0/keys?p=B2C_1_signin",
  },
  "FusionAuth, whose issuer is a plain word": {
    header: { typ: "JWT", gty: ["authorization_code"] },
    claims: { iss: "acme.com", aud: "3c219e58", sub: "a", roles: ["admin"], applicationId: "3c219e58" },
    issuer: { audience: ["3c219e58"], jwks_uri: "https://auth.example.com/.well-known/jwks.json" },
    keys: "https://auth.example.com/.well-known/jwks.json",
  },
  "Stytch, whose issuer is a path without a scheme": {
    claims: { iss: "stytch.com/project-live-123", aud: ["project-live-123"], sub: "user-live-1" },
    issuer: {
      audience: ["project-live-123"],
      jwks_uri: "https://api.stytch.com/v1/sessions/jwks/project-live-123",
    },
    keys: "https://api.stytch.com/v1/sessions/jwks/project-live-123",
  },
  "WorkOS, whose issuer is the application's and whose tokens have no audience": {
    claims: {
      iss: "https://api.workos.com/user_management/client_123",
      sub: "user_1",
      org_id: "org_1",
      permissions: ["chat"],
    },
    issuer: {
      audience: ["https://api.workos.com/user_management/client_123"],
      audience_claim: "iss",
      jwks_uri: "https://api.workos.com/sso/jwks/client_123",
    },
    keys: "https://api.workos.com/sso/jwks/client_123",
    tag: [{ claim: "org_id" }, "org_1"],
  },
  "Cloudflare Access, without discovery": {
    header: { typ: undefined },
    claims: { iss: "https://acme.cloudflareaccess.com", aud: ["4714c1358e65fe4b"], sub: "a", type: "app" },
    issuer: {
      audience: ["4714c1358e65fe4b"],
      jwks_uri: "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
    },
    keys: "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
  },
  "GitLab CI, with groups as a path": {
    claims: {
      iss: "https://gitlab.example.com",
      aud: "nats",
      sub: "project_path:acme/app:ref_type:branch:ref:main",
      namespace_path: "tenants/acme",
      ref_protected: "true",
    },
    issuer: { audience: ["nats"] },
    discovery: wellKnown("https://gitlab.example.com"),
    keys: "https://gitlab.example.com/oauth/discovery/keys",
    tag: [{ claim: "namespace_path", strip_prefix: "tenants/" }, "acme"],
  },
  "Dex, with groups of a connector": {
    claims: {
      iss: "https://dex.example.com/dex",
      aud: "page",
      sub: "CgVhbGljZRIEbGRhcA",
      groups: ["acme:team-1"],
    },
    issuer: { audience: ["page"] },
    discovery: wellKnown("https://dex.example.com/dex"),
    keys: "https://dex.example.com/dex/keys",
    tag: [{ claim: "groups", strip_prefix: "acme:" }, "team-1"],
  },
  "an issuer that signs without kid, with two keys during a rotation": {
    header: { kid: undefined },
    claims: { iss: "https://login.example.com", aud: "nats", sub: "a" },
    issuer: { audience: ["nats"] },
    discovery: wellKnown("https://login.example.com"),
    keys: "https://login.example.com/keys",
  },
};

test.each(Object.entries(SHAPES))(
  "a token of %s gets a credential, and one of another audience none",
  async (_, shape) => {
    const { header, claims, issuer, keys, discovery, tag } = shape;
    const { iss } = claims;
    local.publish({
      ...(discovery && { [discovery]: { issuer: iss, jwks_uri: keys } }),
      [keys]: { keys: [publicJwk(pairs["other rsa"]), { ...publicJwk(pairs.rsa), kid: "1", use: "sig" }] },
    });
    const grant = { role: "browser", ...(tag && { tags: { room: tag[0] } }) };
    const file = parsePolicy({ issuers: [{ issuer: iss, ...issuer }], rules: [{ when: {}, grant }] });
    const policy = activatePolicy(file, undefined);
    const auth = jwtAuthentication({ issuers: () => policy.issuers, fetch: local.fetch });
    const sign = (changed: object) =>
      forge({
        header: { alg: "RS256", typ: "JWT", kid: "1", ...header },
        claims: { ...claims, exp: Math.floor(Date.now() / 1000) + 60, ...changed },
        signer: signers.rs256(pairs.rsa),
      });
    const identity = await auth.authenticateToken(sign({}), {});
    if (!identity) throw new Error("the token was not accepted as a JWT");
    expect(policy.grant(identity, {}).tags as unknown).toEqual(tag ? { room: tag[1] } : undefined);
    const other = Promise.resolve(auth.authenticateToken(sign({ aud: "another" }), {}));
    await expect(other).rejects.toMatchObject({ reason: "wrong_audience" });
  },
);
