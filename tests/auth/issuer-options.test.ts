import { afterAll, describe, expect, test } from "bun:test";
import type { OidcIssuer } from "../../src/core/policy/issuer.ts";
import { forge, jwks, pairs, publicJwk, signers } from "./forge.ts";
import { type LocalIssuer, localIssuer, wellKnown } from "./local-issuer.ts";
import { oidcMint } from "./mint.ts";

/** Issuers with a name, a place or an audience of their own kind. Each option accepts what it says, and nothing more. */

const KEYS = "https://keys.test/jwks";
const local: LocalIssuer = await localIssuer();
afterAll(() => local[Symbol.asyncDispose]());

const token = (claims: object, header: object = {}) =>
  forge({
    header: { alg: "RS256", kid: "rsa", ...header },
    claims: { sub: "alice", exp: Math.floor(Date.now() / 1000) + 600, ...claims },
    signer: signers.rs256(pairs.rsa),
  });

/** A new mint that trusts this issuer, and what it answers to a token. */
function mintFor(issuer: OidcIssuer, options: { allowHttp?: boolean } = {}) {
  const issuers = [issuer];
  const mint = oidcMint({ issuers: () => issuers, fetch: local.fetch, ...options });
  return {
    ...mint,
    outcome: async (claims: object) => (await mint.requestCreds(token(claims))).outcome,
  };
}

describe("the audience in another claim", () => {
  const iss = "https://cognito-idp.eu-west-1.amazonaws.com/pool";
  const cognito = { issuer: iss, audience: ["client", "other"], audienceClaim: "client_id", jwksUri: KEYS };

  test("is accepted there, and an `aud` that is there too must also be for this service", async () => {
    local.publish({ [KEYS]: jwks });
    const { outcome, errors } = mintFor(cognito);
    for (const claims of [
      { client_id: "client" },
      { client_id: "other" },
      { client_id: ["x", "client"] },
      { client_id: "client", aud: "client" },
      { client_id: "client", aud: ["x", "other"] },
    ]) {
      expect([claims, await outcome({ iss, ...claims })]).toEqual([claims, "granted"]);
    }
    for (const [claims, reason] of [
      [{}, "missing_claim"],
      [{ aud: "client" }, "missing_claim"],
      [{ azp: "client" }, "missing_claim"],
      [{ client_id: "another" }, "wrong_audience"],
      [{ client_id: null }, "wrong_audience"],
      [{ client_id: { client: true } }, "wrong_audience"],
      [{ client_id: [] }, "wrong_audience"],
      [{ client_id: "client", aud: "another" }, "wrong_audience"],
      [{ client_id: "client", aud: [] }, "wrong_audience"],
      [{ client_id: "client", aud: null }, "wrong_audience"],
    ] as const) {
      expect([claims, await outcome({ iss, ...claims })]).toEqual([claims, `unauthorized: ${reason}`]);
    }
    expect(errors).toEqual([]);
  });

  test("is not accepted by default; the message names the claim that the token has", async () => {
    local.publish({ [KEYS]: jwks });
    const { requestCreds } = mintFor({ issuer: iss, audience: ["client"], jwksUri: KEYS });
    for (const claim of ["client_id", "azp"]) {
      const { status, text } = await requestCreds(token({ iss, [claim]: "client" }));
      expect([status, JSON.parse(text).detail]).toEqual([
        401,
        `the token's claim "aud" is missing; it has ${claim} "client", which audience_claim can accept instead`,
      ]);
    }
  });
});

describe("an issuer at another place than its name", () => {
  const cases: [string, Omit<OidcIssuer, "audience">, string][] = [
    [
      "AD FS",
      {
        issuer: "http://adfs.example.com/adfs/services/trust",
        discoveryUrl: wellKnown("https://adfs.example.com/adfs"),
        discoveryIssuer: "https://adfs.example.com/adfs",
      },
      "https://adfs.example.com/adfs",
    ],
    [
      "Google's older name",
      {
        issuer: "accounts.google.com",
        discoveryUrl: wellKnown("https://accounts.google.com"),
        discoveryIssuer: "https://accounts.google.com",
      },
      "https://accounts.google.com",
    ],
    [
      "Entra ID's first version",
      {
        issuer: "https://sts.windows.net/tenant/",
        discoveryUrl: wellKnown("https://login.microsoftonline.com/tenant"),
      },
      "https://sts.windows.net/tenant/",
    ],
  ];
  for (const [name, issuer, documentName] of cases) {
    test(`${name}: is verified with the keys from there`, async () => {
      const discoveryUrl = issuer.discoveryUrl ?? "";
      local.publish({ [discoveryUrl]: { issuer: documentName, jwks_uri: KEYS }, [KEYS]: jwks });
      const { outcome } = mintFor({ ...issuer, audience: ["nats"] });
      expect(await outcome({ iss: issuer.issuer, aud: "nats" })).toBe("granted");
      expect(await outcome({ iss: issuer.issuer, aud: "x" })).toBe("unauthorized: wrong_audience");
      expect(await outcome({ iss: "https://other.test", aud: "nats" })).toBe("unauthorized: unknown_issuer");
      const others = [documentName, discoveryUrl].filter((other) => other !== issuer.issuer);
      for (const iss of others) {
        expect(await outcome({ iss, aud: "nats" })).toBe("unauthorized: unknown_issuer");
      }
    });
  }

  test("is refused when its document names itself otherwise than the configuration says", async () => {
    const discoveryUrl = wellKnown("https://login.example.com");
    for (const issuer of ["https://login.example.com", "https://other.example.com", "", null, undefined]) {
      local.publish({ [discoveryUrl]: { issuer, jwks_uri: KEYS }, [KEYS]: jwks });
      const { outcome, warnings } = mintFor({ issuer: "https://a.test", discoveryUrl, audience: ["nats"] });
      expect(await outcome({ iss: "https://a.test", aud: "nats" })).toBe("issuer_unavailable");
      expect(warnings).toEqual([expect.stringContaining("its discovery document names another issuer")]);
    }
  });

  test("may not lead from https to plain http, also where plain http is accepted", async () => {
    const discoveryUrl = wellKnown("https://login.example.com");
    const keys = "http://login.example.com/keys";
    local.publish({ [discoveryUrl]: { issuer: "a", jwks_uri: keys }, [keys]: jwks });
    const { outcome, warnings } = mintFor(
      { issuer: "a", discoveryUrl, audience: ["nats"] },
      { allowHttp: true },
    );
    expect(await outcome({ iss: "a", aud: "nats" })).toBe("issuer_unavailable");
    expect(warnings).toEqual([expect.stringContaining("its jwks_uri is not an https URL")]);
  });
});

test("plain http is used only where the settings accept it", async () => {
  const issuer = "http://keycloak:8080/realms/a";
  const keys = `${issuer}/certs`;
  local.publish({ [wellKnown(issuer)]: { issuer, jwks_uri: keys }, [keys]: jwks });
  const before = local.requests.length;
  for (const place of [{}, { discoveryUrl: wellKnown(issuer) }, { jwksUri: keys }]) {
    const { outcome } = mintFor({ issuer, audience: ["nats"], ...place });
    expect(await outcome({ iss: issuer, aud: "nats" })).toBe("issuer_unavailable");
    expect(local.requests.length).toBe(before);
  }
  for (const place of [{}, { discoveryUrl: wellKnown(issuer) }, { jwksUri: keys }]) {
    const { outcome } = mintFor({ issuer, audience: ["nats"], ...place }, { allowHttp: true });
    expect(await outcome({ iss: issuer, aud: "nats" })).toBe("granted");
  }
});

describe("an issuer with tenants", () => {
  const template = "https://login.microsoftonline.com/{tenantid}/v2.0";
  const named = (tenant: string) => template.replace("{tenantid}", tenant);
  const discoveryUrl = wellKnown("https://login.microsoftonline.com/organizations/v2.0");
  const entra = { issuer: template, tenants: ["a", "b"], discoveryUrl, audience: ["nats"] };
  const keysFor = (issuer?: string) => ({
    keys: [{ ...publicJwk(pairs.rsa), kid: "rsa", use: "sig", ...(issuer && { issuer }) }],
  });
  const publish = (keys: object) =>
    local.publish({ [discoveryUrl]: { issuer: template, jwks_uri: KEYS }, [KEYS]: keys });

  test("accepts those that are listed, by their exact name, with one fetch of the keys", async () => {
    publish(keysFor(template));
    const before = local.requests.length;
    const { outcome, decisions, auth } = mintFor(entra);
    await auth.warmUp();
    for (const tenant of ["a", "b"])
      expect(await outcome({ iss: named(tenant), aud: "nats" })).toBe("granted");
    expect(decisions.map(({ issuer }) => issuer)).toEqual(["a", "b"].map(named));
    expect(local.requests.slice(before)).toEqual([discoveryUrl, KEYS]);
    expect(auth.keyAges()).toHaveLength(1);
    for (const tenant of ["c", "A", "ab", "", "a/b", "{tenantid}", "a/v2.0/../..", "*"]) {
      expect([tenant, await outcome({ iss: named(tenant), aud: "nats" })]).toEqual([
        tenant,
        "unauthorized: unknown_issuer",
      ]);
    }
  });

  test("uses a key for one tenant only for that one", async () => {
    publish(keysFor(named("a")));
    const { outcome } = mintFor(entra);
    expect(await outcome({ iss: named("a"), aud: "nats" })).toBe("granted");
    expect(await outcome({ iss: named("b"), aud: "nats" })).toBe("unauthorized: unknown_key");
    publish(keysFor("https://login.microsoftonline.com/consumers/v2.0"));
    expect(await mintFor(entra).outcome({ iss: named("a"), aud: "nats" })).toBe("unauthorized: unknown_key");
    publish(keysFor());
    expect(await mintFor(entra).outcome({ iss: named("a"), aud: "nats" })).toBe("granted");
  });

  test("keeps the keys of the tenants that stay when the list changes", async () => {
    publish(keysFor(template));
    let issuers: OidcIssuer[] = [entra];
    const { requestCreds } = oidcMint({ issuers: () => issuers, fetch: local.fetch });
    const of = (tenant: string) => token({ iss: named(tenant), aud: "nats" });
    expect((await requestCreds(of("b"))).outcome).toBe("granted");
    issuers = [{ ...entra, tenants: ["a"] }];
    expect((await requestCreds(of("a"))).outcome).toBe("granted");
    expect((await requestCreds(of("b"))).outcome).toBe("unauthorized: unknown_issuer");
  });
});
