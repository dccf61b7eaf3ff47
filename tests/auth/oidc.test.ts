import { afterAll, describe, expect, test } from "bun:test";
import { decodeJwt, importJWK, SignJWT } from "jose";
import type { OidcIssuer } from "../../src/core/policy/issuer.ts";
import { oidcMint, ROLE_TTL } from "./mint.ts";
import { API, type OpenIdProvider, PAGE, type SigningKey, signingKey, startProvider } from "./provider.ts";

/** With a real OpenID provider over HTTP: its tokens, the rotation of its keys, and its outages. */

const running: OpenIdProvider[] = [];
afterAll(async () => {
  await Promise.all(running.map((provider) => provider.stop()));
});

async function launchProvider(keys?: readonly SigningKey[]): Promise<OpenIdProvider> {
  const provider = await startProvider(keys);
  running.push(provider);
  return provider;
}

const trustedIssuer = ({ issuer }: OpenIdProvider): OidcIssuer => ({ issuer, audience: [API, PAGE] });

/** A mint that trusts these providers. */
function mintFor(...providers: OpenIdProvider[]) {
  const issuers = providers.map(trustedIssuer);
  return oidcMint({ issuers: () => issuers });
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;

describe("a valid token", () => {
  test("gets a credential, as an access token and as an ID token", async () => {
    const provider = await launchProvider();
    const { requestCreds, decisions, errors } = mintFor(provider);
    expect(await requestCreds(await provider.accessToken())).toMatchObject({
      status: 200,
      outcome: "granted",
    });
    expect(await requestCreds(await provider.idToken("alice@example.com"))).toMatchObject({ status: 200 });
    expect(decisions).toMatchObject([
      { issuer: provider.issuer, subject: PAGE },
      { issuer: provider.issuer, subject: "alice@example.com" },
    ]);
    expect(errors).toEqual([]);
  });

  test("is accepted with all its claims, until it expires", async () => {
    const provider = await launchProvider();
    const { auth, clock } = mintFor(provider);
    const token = await provider.idToken("bob", 600);
    const claims = decodeJwt(token);
    const identity = await auth.authenticateToken(token, {});
    expect(identity).toEqual({
      method: "oidc",
      issuer: provider.issuer,
      subject: "bob",
      claims,
      expiresAt: claims.exp as number,
    });
    // Cached from its second use: not parsed again.
    const second = await auth.authenticateToken(token, {});
    expect(second).toEqual(identity);
    expect(await auth.authenticateToken(token, {})).toBe(second);
    clock.advance(600);
    await expect(auth.authenticateToken(token, {})).rejects.toMatchObject({ reason: "expired" });
    // A token that is not cached is refused too.
    const late = mintFor(provider);
    late.clock.advance(600);
    await expect(late.auth.authenticateToken(token, {})).rejects.toMatchObject({ reason: "expired" });
  });

  test("gets no credential that expires later", async () => {
    const provider = await launchProvider();
    const { requestCreds, clock } = mintFor(provider);
    const short = await provider.accessToken(600);
    expect((await requestCreds(short)).expiresAt).toBe(decodeJwt(short).exp as number);
    clock.advance(30);
    expect((await requestCreds(short)).expiresAt).toBe(decodeJwt(short).exp as number);
    const long = await requestCreds(await provider.accessToken(2 * HOUR));
    expect(long.expiresAt).toBeLessThanOrEqual(Math.floor(clock.now() / 1000) + ROLE_TTL);
  });

  test("is refused in its last ten seconds and after its expiry, also when it is cached", async () => {
    const provider = await launchProvider();
    const { requestCreds, clock } = mintFor(provider);
    const token = await provider.accessToken(600);
    expect((await requestCreds(token)).status).toBe(200);
    clock.advance(591);
    const expiring = { status: 401, outcome: "token_expiring: expired" };
    expect(await requestCreds(token)).toMatchObject(expiring);
    clock.advance(10);
    expect(await requestCreds(token)).toMatchObject({ status: 401, outcome: "token_expired: expired" });
    const late = await mintFor(provider).requestCreds(await provider.accessToken(9));
    expect(late).toMatchObject(expiring);
  });
});

describe("the issuer and the audience", () => {
  test("a token for another audience is refused", async () => {
    const provider = await launchProvider();
    const issuers = [{ issuer: provider.issuer, audience: [PAGE] }];
    const { requestCreds } = oidcMint({ issuers: () => issuers });
    expect(await requestCreds(await provider.accessToken())).toMatchObject({
      status: 401,
      outcome: "unauthorized: wrong_audience",
    });
    expect((await requestCreds(await provider.idToken("alice"))).status).toBe(200);
  });

  test("a token of an untrusted issuer is refused, and nothing is fetched from that issuer", async () => {
    const trusted = await launchProvider();
    const other = await launchProvider();
    const { requestCreds } = mintFor(trusted);
    expect(await requestCreds(await other.accessToken())).toMatchObject({
      outcome: "unauthorized: unknown_issuer",
    });
    expect([trusted.fetches, other.fetches]).toEqual([
      { keys: 0, discovery: 0 },
      { keys: 0, discovery: 0 },
    ]);
  });

  test("each issuer's keys verify its own tokens only", async () => {
    const [keyOfA, keyOfB] = [signingKey("same"), signingKey("same")];
    const onlyOfB = signingKey("only of B");
    const a = await launchProvider([keyOfA]);
    const b = await launchProvider([keyOfB, onlyOfB]);
    const { requestCreds } = mintFor(a, b);
    expect((await requestCreds(await a.accessToken())).status).toBe(200);
    expect((await requestCreds(await b.accessToken())).status).toBe(200);

    const claims = decodeJwt(await a.accessToken());
    const signed = async (key: SigningKey, issuer: string) =>
      new SignJWT({ ...claims, iss: issuer })
        .setProtectedHeader({ alg: "RS256", kid: key.kid })
        .sign(await importJWK(key));
    expect((await requestCreds(await signed(keyOfA, a.issuer))).status).toBe(200);
    expect(await requestCreds(await signed(keyOfB, a.issuer))).toMatchObject({
      status: 401,
      outcome: "unauthorized: bad_signature",
    });
    expect(await requestCreds(await signed(onlyOfB, a.issuer))).toMatchObject({
      status: 401,
      outcome: "unauthorized: unknown_key",
    });
    expect((await requestCreds(await signed(onlyOfB, b.issuer))).status).toBe(200);
  });

  test("no algorithm with a shared secret is allowed, whatever the settings are", async () => {
    const provider = await launchProvider();
    const audience = [API];
    const only = (...algorithms: string[]) => {
      const issuers = [{ issuer: provider.issuer, audience, algorithms }];
      return oidcMint({ issuers: () => issuers });
    };
    const token = await provider.accessToken();
    const secret = new TextEncoder().encode("a shared secret, long enough for HS256");
    const shared = await new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: "HS256" }).sign(secret);
    const refused = { status: 401, outcome: "unauthorized: algorithm_not_allowed" };
    expect(await only("HS256", "none").requestCreds(shared)).toMatchObject(refused);
    expect(await only("HS256", "none").requestCreds(token)).toMatchObject(refused);
    expect(await only("ES256").requestCreds(token)).toMatchObject(refused);
    expect((await only("ES256", "RS256").requestCreds(token)).status).toBe(200);
  });
});

describe("a change of keys", () => {
  test("is followed without a failure, also twice in quick succession", async () => {
    const [first, second, third] = [signingKey(), signingKey(), signingKey()];
    const provider = await launchProvider([first]);
    const { requestCreds, warnings } = mintFor(provider);
    const outcomes: string[] = [];
    let isOver = false;
    const stream = async () => {
      while (!isOver) outcomes.push((await requestCreds(await provider.accessToken())).outcome);
    };
    const workers = [stream(), stream(), stream()];
    const more = async (count: number) => {
      const before = outcomes.length;
      while (outcomes.length < before + count) await new Promise((resolve) => setImmediate(resolve));
    };
    await more(20);
    // The new keys are used as soon as they are published.
    provider.use([second, first]);
    provider.use([third, second, first]);
    await more(20);
    provider.use([signingKey(), third, second, first]);
    await more(20);
    isOver = true;
    await Promise.all(workers);
    expect(new Set(outcomes)).toEqual(new Set(["granted"]));
    expect(provider.fetches.keys).toBeGreaterThanOrEqual(3);
    expect(warnings).toEqual([]);
  });

  test("that removes a key removes its cached tokens; those of other keys stay valid", async () => {
    const [old, next] = [signingKey("old"), signingKey("next")];
    const provider = await launchProvider([old]);
    const { requestCreds } = mintFor(provider);
    const byOld = await provider.accessToken();
    expect((await requestCreds(byOld)).status).toBe(200);

    provider.use([next, old]);
    const byNext = await provider.accessToken();
    expect((await requestCreds(byNext)).status).toBe(200);
    expect((await requestCreds(byOld)).status).toBe(200);

    provider.use([signingKey("newest"), next]);
    expect((await requestCreds(await provider.accessToken())).status).toBe(200);
    expect(await requestCreds(byOld)).toMatchObject({ status: 401, outcome: "unauthorized: unknown_key" });
    expect((await requestCreds(byNext)).status).toBe(200);
  });

  test("is noticed by a fetch every ten minutes, for which no request waits", async () => {
    const provider = await launchProvider();
    await using keys = await gatedKeys(provider);
    const issuers = [{ ...trustedIssuer(provider), jwksUri: keys.url }];
    const { requestCreds, auth, clock, warnings } = oidcMint({ issuers: () => issuers });
    keys.open();
    const [token, other] = [await provider.accessToken(2 * HOUR), await provider.accessToken(2 * HOUR)];
    await requestCreds(token);
    clock.advance(9 * MINUTE);
    await requestCreds(token);
    expect(keys.requests()).toBe(1);

    keys.shut();
    clock.advance(2 * MINUTE);
    expect((await requestCreds(token)).status).toBe(200);
    expect((await requestCreds(other)).status).toBe(200);
    await until(() => keys.requests() === 2);
    expect((await requestCreds(token)).status).toBe(200);
    keys.open();
    const identity = await auth.authenticateToken(token, {});
    await until(() => (auth.keyAges()[0]?.seconds as number) < 10 * MINUTE);
    // With the same keys, the cached tokens stay.
    expect(await auth.authenticateToken(token, {})).toBe(identity);
    expect(keys.requests()).toBe(2);
    expect(warnings).toEqual([]);
  });

  test("during a fetch is followed by a second fetch", async () => {
    const provider = await launchProvider();
    await using keys = await gatedKeys(provider);
    const issuers = [{ ...trustedIssuer(provider), jwksUri: keys.url }];
    const { requestCreds, clock } = oidcMint({ issuers: () => issuers });
    keys.open();
    const token = await provider.accessToken(2 * HOUR);
    await requestCreds(token);
    keys.shut();
    clock.advance(11 * MINUTE);
    await requestCreds(token);
    await until(() => keys.requests() === 2);
    // The fetch in progress returns the old keys.
    provider.use([signingKey()]);
    const pending = requestCreds(await provider.accessToken(2 * HOUR));
    keys.open();
    expect((await pending).status).toBe(200);
    expect(keys.requests()).toBe(3);
  });

  test("causes few fetches when many tokens have random key IDs", async () => {
    const provider = await launchProvider();
    const { requestCreds, clock, errors } = mintFor(provider);
    clock.stop();
    const key = signingKey();
    const claims = decodeJwt(await provider.accessToken());
    const signed = async (kid: string) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid }).sign(await importJWK(key));
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => requestCreds(await signed(`a${n}`))),
    );
    for (let n = 0; n < 100; n++) results.push(await requestCreds(await signed(`b${n}`)));
    expect(provider.fetches.keys).toBeLessThanOrEqual(1 + 5);
    const outcomes = new Set(results.map(({ status, outcome }) => `${status} ${outcome}`));
    expect(outcomes).toEqual(new Set(["401 unauthorized: unknown_key", "503 issuer_unavailable"]));
    // "unauthorized" is final for a page, so it is sent only after a fetch. A valid token is still accepted.
    expect((await requestCreds(await signed("a0"))).status).toBe(503);
    expect((await requestCreds(await provider.accessToken())).status).toBe(200);

    const before = provider.fetches.keys;
    clock.advance(5);
    for (let n = 0; n < 20; n++) await requestCreds(await signed(`c${n}`));
    expect(provider.fetches.keys).toBe(before + 1);
    // A rotation at the same time is followed with the next fetch.
    provider.use([signingKey()]);
    const rotated = await provider.accessToken();
    expect(await requestCreds(rotated)).toMatchObject({
      status: 503,
      outcome: "issuer_unavailable",
      retryAfter: "5",
    });
    clock.advance(5);
    expect((await requestCreds(rotated)).status).toBe(200);
    expect(errors).toEqual([]);
  });
});

describe("an unavailable issuer", () => {
  test("is not needed for an hour: for cached tokens, and for new ones with known keys", async () => {
    const provider = await launchProvider();
    const { requestCreds, clock, warnings } = mintFor(provider);
    const [known, fresh, later, unknown] = await Promise.all([
      provider.accessToken(3 * HOUR),
      provider.accessToken(3 * HOUR),
      provider.accessToken(3 * HOUR),
      new SignJWT(decodeJwt(await provider.accessToken()))
        .setProtectedHeader({ alg: "RS256", kid: "unknown" })
        .sign(await importJWK(signingKey())),
    ]);
    expect((await requestCreds(known)).status).toBe(200);
    await provider.stop();
    const unavailable = { status: 503, outcome: "issuer_unavailable", retryAfter: "5" };
    expect((await requestCreds(known)).status).toBe(200);
    expect((await requestCreds(fresh)).status).toBe(200);
    // Its key may be a new one.
    expect(await requestCreds(unknown)).toMatchObject(unavailable);

    for (let minutes = 0; minutes < 59; minutes += 5) {
      expect((await requestCreds(known)).status).toBe(200);
      clock.advance(5 * MINUTE);
    }
    expect(await requestCreds(known)).toMatchObject(unavailable);
    expect(await requestCreds(later)).toMatchObject(unavailable);
    expect(warnings).toEqual([
      expect.stringMatching(/^issuer "http:.*" *: its discovery document can't be fetched/),
    ]);

    await provider.start();
    clock.advance(5);
    expect((await requestCreds(later)).status).toBe(200);
    expect((await requestCreds(known)).status).toBe(200);
  });

  test("that was never available causes a 503 with Retry-After", async () => {
    const provider = await launchProvider();
    const token = await provider.accessToken();
    const ended = await new SignJWT({ ...decodeJwt(token), exp: 1 })
      .setProtectedHeader({ alg: "RS256", kid: "of old" })
      .sign(await importJWK(signingKey()));
    await provider.stop();
    const { requestCreds, auth, clock, warnings } = mintFor(provider);
    await auth.warmUp();
    expect(await requestCreds(token)).toMatchObject({
      status: 503,
      outcome: "issuer_unavailable",
      retryAfter: "5",
    });
    // An expired token is refused without the issuer, so that a page can get another.
    expect(await requestCreds(ended)).toMatchObject({ status: 401, outcome: "token_expired: expired" });
    expect(warnings).toHaveLength(1);
    expect(auth.keyAges()).toEqual([]);
    await provider.start();
    clock.advance(5);
    expect((await requestCreds(token)).status).toBe(200);
    await provider.stop();
    clock.advance(11 * MINUTE);
    await auth.warmUp();
    expect(warnings).toHaveLength(2);
  });

  test("gets one request for all waiting tokens, and no other at once", async () => {
    const provider = await launchProvider();
    const token = await provider.accessToken();
    let requests = 0;
    await using broken = serve(() => {
      requests++;
      return new Response("", { status: 500 });
    });
    const issuers = [{ ...trustedIssuer(provider), jwksUri: broken.url }];
    const { requestCreds, clock } = oidcMint({ issuers: () => issuers });
    clock.stop();
    await Promise.all(Array.from({ length: 50 }, () => requestCreds(token)));
    for (let n = 0; n < 10; n++) expect((await requestCreds(token)).status).toBe(503);
    expect(requests).toBe(1);
    clock.advance(1);
    expect((await requestCreds(token)).status).toBe(503);
    expect(requests).toBe(2);
  });
});

describe("an issuer with an invalid response", () => {
  const hang = () => new Promise<Response>(() => {});
  const endless = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(32)),
      }),
    );
  const json = (body: unknown) => () => Response.json(body);
  const privateKey = signingKey();
  const { d, p, q, dp, dq, qi, ...key } = privateKey as Record<string, unknown>;

  /** A description, the response, and the text of the warning. */
  type InvalidResponse = [string, () => Response | Promise<Response>, string];

  const discovery: InvalidResponse[] = [
    ["no response", hang, "timed out"],
    ["an endless body", endless, "longer than 262144 bytes"],
    ["an error status", () => new Response("", { status: 500 }), "the response was 500"],
    ["no JSON", () => new Response("<html>"), "is not JSON"],
    ["null", json(null), "names another issuer"],
    ["a list", json([]), "names another issuer"],
    [
      "another issuer",
      json({ issuer: "https://evil.test", jwks_uri: "https://evil.test" }),
      "another issuer",
    ],
    ["no issuer", json({ jwks_uri: "https://evil.test/jwks" }), "names another issuer"],
  ];
  for (const [name, response, why] of discovery) {
    test(`${name}, as discovery: 503, and one warning`, async () => {
      await using server = serve(response);
      await expectUnavailable(why, server.url);
    });
  }

  test("a redirect: it is not followed", async () => {
    let followed = 0;
    await using target = serve(() => {
      followed++;
      return Response.json({});
    });
    await using server = serve(() => Response.redirect(target.url, 302));
    await expectUnavailable("the response was 302", server.url);
    await expectUnavailable("the response was 302", "https://issuer.test", server.url);
    expect(followed).toBe(0);
  });

  const keySets: InvalidResponse[] = [
    ["no response", hang, "timed out"],
    ["an endless body", endless, "longer than 262144 bytes"],
    ["an error status", () => new Response("", { status: 404 }), "the response was 404"],
    ["no JSON", () => new Response("keys"), "is not JSON"],
    ["null", json(null), "is not a JWK Set"],
    ["no list", json({ keys: {} }), "is not a JWK Set"],
    ["an empty list", json({ keys: [] }), "no key that can be used"],
    ["a list of nothing", json({ keys: [null, 1, "x", [], {}] }), "no key that can be used"],
    ["only a secret", json({ keys: [{ kty: "oct", k: "c2VjcmV0", kid: "1" }] }), "no key that can be used"],
    ["only a private key", json({ keys: [privateKey] }), "no key that can be used"],
    ["only a key for encryption", json({ keys: [{ ...key, use: "enc" }] }), "no key that can be used"],
    ["a truncated key", json({ keys: [{ ...key, n: undefined }] }), "no key that can be used"],
  ];
  for (const [name, response, why] of keySets) {
    test(`${name}, as keys: 503, and one warning`, async () => {
      await using server = serve(response);
      await expectUnavailable(why, "https://issuer.test", server.url);
    });
  }

  const elsewhere = [
    "http://keys.test/jwks",
    "file:///etc/passwd",
    "//keys.test/jwks",
    "",
    1,
    null,
    undefined,
  ];
  for (const jwksUri of elsewhere) {
    test(`keys at ${JSON.stringify(jwksUri)}: they are not fetched`, async () => {
      let fetches = 0;
      await using server = serve((request) => {
        fetches++;
        return Response.json({ issuer: new URL(request.url).origin, jwks_uri: jwksUri });
      });
      await expectUnavailable("jwks_uri", server.url);
      expect(fetches).toBe(1);
    });
  }

  for (const issuer of ["https://user@issuer.test", "https://issuer.test/?x", "HTTPS://issuer.test"]) {
    test(`the name ${issuer}: nothing is fetched`, async () => {
      await using server = serve(json({ keys: [key] }));
      await expectUnavailable("not an https URL", issuer, server.url);
    });
  }

  for (const issuer of ["http://issuer.test", "issuer", "accounts.example.com"]) {
    test(`the name ${issuer} without the place of its keys: nothing is fetched`, async () => {
      await expectUnavailable("not an https URL", issuer);
    });
  }

  /** Sends a token that is valid as far as that can be checked without keys. */
  async function expectUnavailable(why: string, issuer: string, jwksUri?: string) {
    const token = await new SignJWT({ iss: issuer, sub: "alice", aud: API })
      .setExpirationTime("5m")
      .setProtectedHeader({ alg: "RS256", kid: privateKey.kid })
      .sign(await importJWK(privateKey));
    const issuers = [{ issuer, audience: [API], ...(jwksUri && { jwksUri }) }];
    const { requestCreds, clock, warnings, errors } = oidcMint({
      issuers: () => issuers,
      ...(why === "timed out" && { timeout: 200 }),
    });
    clock.stop();
    const first = await Promise.all([requestCreds(token), requestCreds(token)]);
    for (const response of [...first, await requestCreds(token)]) {
      expect(response).toMatchObject({ status: 503, outcome: "issuer_unavailable", retryAfter: "5" });
    }
    expect(warnings).toEqual([expect.stringContaining(why)]);
    expect(warnings[0]).toStartWith(`issuer ${JSON.stringify(issuer)}: `);
    expect(warnings[0]?.length).toBeLessThan(200);
    expect(errors).toEqual([]);
  }
});

describe("a change of the list of issuers", () => {
  test("applies to a token that is being verified", async () => {
    const provider = await launchProvider();
    await using keys = await gatedKeys(provider);
    let issuers = [{ ...trustedIssuer(provider), jwksUri: keys.url }];
    const { requestCreds } = oidcMint({ issuers: () => issuers });
    const pending = requestCreds(await provider.accessToken());
    await until(() => keys.requests() === 1);
    issuers = [];
    keys.open();
    expect((await pending).status).toBe(503);
    expect(await requestCreds(await provider.accessToken())).toMatchObject({
      outcome: "unauthorized: unknown_issuer",
    });
  });

  test("keeps the keys and tokens of an unchanged entry, and drops those of a changed or removed one", async () => {
    const [a, b] = [await launchProvider(), await launchProvider()];
    let issuers = [trustedIssuer(a), trustedIssuer(b)];
    const { requestCreds } = oidcMint({ issuers: () => issuers });
    const [ofA, ofB] = [await a.accessToken(), await b.accessToken()];
    expect([(await requestCreds(ofA)).status, (await requestCreds(ofB)).status]).toEqual([200, 200]);

    issuers = [trustedIssuer(a)];
    expect(await requestCreds(ofB)).toMatchObject({ status: 401, outcome: "unauthorized: unknown_issuer" });
    expect((await requestCreds(ofA)).status).toBe(200);
    expect(a.fetches.keys).toBe(1);

    issuers = [{ ...trustedIssuer(a), audience: ["https://other.test"] }, trustedIssuer(b)];
    expect(await requestCreds(ofA)).toMatchObject({ status: 401, outcome: "unauthorized: wrong_audience" });
    expect((await requestCreds(ofB)).status).toBe(200);
    expect([a.fetches.keys, b.fetches.keys]).toEqual([2, 2]);
  });

  test("fetches the keys before the first request, and reports their age", async () => {
    const provider = await launchProvider();
    const { requestCreds, auth, clock } = mintFor(provider);
    expect(auth.keyAges()).toEqual([]);
    await auth.warmUp();
    const { fetches } = provider;
    expect(fetches).toEqual({ keys: 1, discovery: 1 });
    clock.stop();
    clock.advance(100);
    const [age] = auth.keyAges();
    expect(age?.issuer).toBe(provider.issuer);
    expect(age?.seconds).toBeGreaterThanOrEqual(100);
    await auth.warmUp();
    expect((await requestCreds(await provider.accessToken())).status).toBe(200);
    expect(fetches.keys).toBe(1);
    clock.advance(10 * MINUTE);
    await auth.warmUp();
    expect(fetches.keys).toBe(2);
  });

  test("cancels a fetch when its issuer is removed, or the verifier is closed", async () => {
    await using silent = serve(() => new Promise<Response>(() => {}));
    let issuers = [{ issuer: silent.url, audience: [API] }];
    const { auth, warnings } = oidcMint({ issuers: () => issuers, timeout: 24 * HOUR * 1000 });
    const first = auth.warmUp();
    issuers = [{ issuer: silent.url, audience: [PAGE] }];
    const second = auth.warmUp();
    await first;
    auth.close();
    await second;
    expect(warnings).toEqual([]);
  });

  test("with a jwks_uri needs no discovery", async () => {
    const provider = await launchProvider();
    const issuers = [{ ...trustedIssuer(provider), jwksUri: `${provider.issuer}/jwks` }];
    const { requestCreds } = oidcMint({ issuers: () => issuers });
    expect((await requestCreds(await provider.accessToken())).status).toBe(200);
    expect(provider.fetches).toEqual({ keys: 1, discovery: 0 });
  });
});

test("a slash at the end of the issuer is removed before the path of the discovery document is appended", async () => {
  const key = signingKey();
  const { d, p, q, dp, dq, qi, ...publicKey } = key as Record<string, unknown>;
  const paths: string[] = [];
  await using server = serve((request) => {
    const { origin, pathname } = new URL(request.url);
    paths.push(pathname);
    return Response.json(
      pathname === "/keys"
        ? { keys: [publicKey] }
        : { issuer: origin + pathname.replace(/\.well-known.*/, ""), jwks_uri: `${origin}/keys` },
    );
  });
  for (const path of ["/", "/realm/"]) {
    const issuers = [{ issuer: server.url + path, audience: [API] }];
    const token = await new SignJWT({ iss: server.url + path, sub: "alice", aud: API })
      .setExpirationTime("5m")
      .setProtectedHeader({ alg: "RS256", kid: key.kid })
      .sign(await importJWK(key));
    expect((await oidcMint({ issuers: () => issuers }).requestCreds(token)).status).toBe(200);
  }
  const wellKnown = ".well-known/openid-configuration";
  expect(paths).toEqual([`/${wellKnown}`, "/keys", `/realm/${wellKnown}`, "/keys"]);
});

function serve(fetch: (request: Request) => Response | Promise<Response>) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch, idleTimeout: 0 });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** A server with the provider's keys at the time of the request. While the gate is shut, it holds the response back. */
async function gatedKeys(provider: OpenIdProvider) {
  let gate = Promise.withResolvers<void>();
  let requests = 0;
  const server = serve(async () => {
    const keys = await (await fetch(`${provider.issuer}/jwks`)).text();
    requests++;
    await gate.promise;
    return new Response(keys);
  });
  return {
    ...server,
    requests: () => requests,
    open: () => gate.resolve(),
    shut: () => {
      gate = Promise.withResolvers();
    },
  };
}

/** Polls until the condition is true or the test's own time limit is reached. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
