import { afterAll, describe, expect, test } from "bun:test";
import { decodeJwt, importJWK, SignJWT } from "jose";
import type { OidcIssuer } from "../../src/core/policy/issuer.ts";
import { oidcMint, ROLE_TTL } from "./mint.ts";
import { API, type OpenIdProvider, PAGE, type SigningKey, signingKey, startProvider } from "./provider.ts";

/** Against a real OpenID provider, over real HTTP: what it signs, how it rotates its keys, and that it can be away. */

const running: OpenIdProvider[] = [];
afterAll(async () => {
  await Promise.all(running.map((provider) => provider.stop()));
});

async function provide(keys?: readonly SigningKey[]): Promise<OpenIdProvider> {
  const provider = await startProvider(keys);
  running.push(provider);
  return provider;
}

const trusting = ({ issuer }: OpenIdProvider): OidcIssuer => ({ issuer, audience: [API, PAGE] });

/** A mint that trusts these providers. */
function mintFor(...providers: OpenIdProvider[]) {
  const issuers = providers.map(trusting);
  return oidcMint({ issuers: () => issuers });
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;

describe("a valid token", () => {
  test("gives a credential: an access token, and an ID token", async () => {
    const provider = await provide();
    const { ask, decisions, errors } = mintFor(provider);
    expect(await ask(await provider.accessToken())).toMatchObject({ status: 200, outcome: "granted" });
    expect(await ask(await provider.idToken("alice@example.com"))).toMatchObject({ status: 200 });
    expect(decisions).toMatchObject([
      { issuer: provider.issuer, subject: PAGE },
      { issuer: provider.issuer, subject: "alice@example.com" },
    ]);
    expect(errors).toEqual([]);
  });

  test("is believed with all its claims, and until it ends", async () => {
    const provider = await provide();
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
    // Remembered: not read anew.
    expect(await auth.authenticateToken(token, {})).toBe(identity);
    clock.advance(600);
    await expect(auth.authenticateToken(token, {})).rejects.toMatchObject({ reason: "expired" });
    // Nor is it believed when it is new.
    const late = mintFor(provider);
    late.clock.advance(600);
    await expect(late.auth.authenticateToken(token, {})).rejects.toMatchObject({ reason: "expired" });
  });

  test("gives no credential that outlives it", async () => {
    const provider = await provide();
    const { ask, clock } = mintFor(provider);
    const short = await provider.accessToken(600);
    expect((await ask(short)).expiresAt).toBe(decodeJwt(short).exp as number);
    clock.advance(30);
    expect((await ask(short)).expiresAt).toBe(decodeJwt(short).exp as number);
    const long = await ask(await provider.accessToken(2 * HOUR));
    expect(long.expiresAt).toBeLessThanOrEqual(Math.floor(clock.now() / 1000) + ROLE_TTL);
  });

  test("is refused in its last ten seconds and after its end, also when it is remembered", async () => {
    const provider = await provide();
    const { ask, clock } = mintFor(provider);
    const token = await provider.accessToken(600);
    expect((await ask(token)).status).toBe(200);
    clock.advance(591);
    expect(await ask(token)).toMatchObject({ status: 401, outcome: "unauthorized: expired" });
    clock.advance(10);
    expect(await ask(token)).toMatchObject({ status: 401, outcome: "unauthorized: expired" });
    expect(await ask(await provider.accessToken(9))).toMatchObject({ outcome: "unauthorized: expired" });
  });
});

describe("whose token it is", () => {
  test("one for another audience is refused", async () => {
    const provider = await provide();
    const issuers = [{ issuer: provider.issuer, audience: [PAGE] }];
    const { ask } = oidcMint({ issuers: () => issuers });
    expect(await ask(await provider.accessToken())).toMatchObject({
      status: 401,
      outcome: "unauthorized: wrong_audience",
    });
    expect((await ask(await provider.idToken("alice"))).status).toBe(200);
  });

  test("one of an issuer that isn't trusted is refused, and the issuer is not asked for anything", async () => {
    const trusted = await provide();
    const other = await provide();
    const { ask } = mintFor(trusted);
    expect(await ask(await other.accessToken())).toMatchObject({ outcome: "unauthorized: unknown_issuer" });
    expect([trusted.fetches, other.fetches]).toEqual([
      { keys: 0, discovery: 0 },
      { keys: 0, discovery: 0 },
    ]);
  });

  test("each issuer's keys are good for its own tokens only", async () => {
    const [keyOfA, keyOfB] = [signingKey("same"), signingKey("same")];
    const onlyOfB = signingKey("only of B");
    const a = await provide([keyOfA]);
    const b = await provide([keyOfB, onlyOfB]);
    const { ask } = mintFor(a, b);
    expect((await ask(await a.accessToken())).status).toBe(200);
    expect((await ask(await b.accessToken())).status).toBe(200);

    const claims = decodeJwt(await a.accessToken());
    const signed = async (key: SigningKey, issuer: string) =>
      new SignJWT({ ...claims, iss: issuer })
        .setProtectedHeader({ alg: "RS256", kid: key.kid })
        .sign(await importJWK(key));
    expect((await ask(await signed(keyOfA, a.issuer))).status).toBe(200);
    expect(await ask(await signed(keyOfB, a.issuer))).toMatchObject({
      status: 401,
      outcome: "unauthorized: bad_signature",
    });
    expect(await ask(await signed(onlyOfB, a.issuer))).toMatchObject({
      status: 401,
      outcome: "unauthorized: unknown_key",
    });
    expect((await ask(await signed(onlyOfB, b.issuer))).status).toBe(200);
  });

  test("no algorithm with a shared secret is allowed, whatever the settings say", async () => {
    const provider = await provide();
    const audience = [API];
    const only = (...algorithms: string[]) => {
      const issuers = [{ issuer: provider.issuer, audience, algorithms }];
      return oidcMint({ issuers: () => issuers });
    };
    const token = await provider.accessToken();
    const secret = new TextEncoder().encode("a secret that both know, long enough for HS256");
    const shared = await new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: "HS256" }).sign(secret);
    const refused = { status: 401, outcome: "unauthorized: algorithm_not_allowed" };
    expect(await only("HS256", "none").ask(shared)).toMatchObject(refused);
    expect(await only("HS256", "none").ask(token)).toMatchObject(refused);
    expect(await only("ES256").ask(token)).toMatchObject(refused);
    expect((await only("ES256", "RS256").ask(token)).status).toBe(200);
  });
});

describe("keys that change", () => {
  test("a rotation is followed without one failure, also twice in quick succession", async () => {
    const [first, second, third] = [signingKey(), signingKey(), signingKey()];
    const provider = await provide([first]);
    const { ask, warnings } = mintFor(provider);
    const outcomes: string[] = [];
    let isOver = false;
    const stream = async () => {
      while (!isOver) outcomes.push((await ask(await provider.accessToken())).outcome);
    };
    const workers = [stream(), stream(), stream()];
    const more = async (count: number) => {
      const before = outcomes.length;
      while (outcomes.length < before + count) await new Promise((resolve) => setImmediate(resolve));
    };
    await more(20);
    // No time to spread the new keys before they are used.
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

  test("with a key that went, its tokens are forgotten; those of the others stay good", async () => {
    const [old, next] = [signingKey("old"), signingKey("next")];
    const provider = await provide([old]);
    const { ask } = mintFor(provider);
    const byOld = await provider.accessToken();
    expect((await ask(byOld)).status).toBe(200);

    provider.use([next, old]);
    const byNext = await provider.accessToken();
    expect((await ask(byNext)).status).toBe(200);
    expect((await ask(byOld)).status).toBe(200);

    provider.use([signingKey("newest"), next]);
    expect((await ask(await provider.accessToken())).status).toBe(200);
    expect(await ask(byOld)).toMatchObject({ status: 401, outcome: "unauthorized: unknown_key" });
    expect((await ask(byNext)).status).toBe(200);
  });

  test("keys are fetched again after ten minutes, while nobody waits", async () => {
    const provider = await provide();
    await using keys = await gatedKeys(provider);
    const issuers = [{ ...trusting(provider), jwksUri: keys.url }];
    const { ask, auth, clock, warnings } = oidcMint({ issuers: () => issuers });
    keys.open();
    const [token, other] = [await provider.accessToken(2 * HOUR), await provider.accessToken(2 * HOUR)];
    await ask(token);
    clock.advance(9 * MINUTE);
    await ask(token);
    expect(keys.requests()).toBe(1);

    keys.shut();
    clock.advance(2 * MINUTE);
    expect((await ask(token)).status).toBe(200);
    expect((await ask(other)).status).toBe(200);
    await until(() => keys.requests() === 2);
    expect((await ask(token)).status).toBe(200);
    keys.open();
    const identity = await auth.authenticateToken(token, {});
    await until(() => (auth.keyAges()[0]?.seconds as number) < 10 * MINUTE);
    // With the same keys, what is known stays known.
    expect(await auth.authenticateToken(token, {})).toBe(identity);
    expect(keys.requests()).toBe(2);
    expect(warnings).toEqual([]);
  });

  test("a key that is newer than the fetch under way is asked for once more", async () => {
    const provider = await provide();
    await using keys = await gatedKeys(provider);
    const issuers = [{ ...trusting(provider), jwksUri: keys.url }];
    const { ask, clock } = oidcMint({ issuers: () => issuers });
    keys.open();
    const token = await provider.accessToken(2 * HOUR);
    await ask(token);
    keys.shut();
    clock.advance(11 * MINUTE);
    await ask(token);
    await until(() => keys.requests() === 2);
    // What is under way brings the old keys.
    provider.use([signingKey()]);
    const asked = ask(await provider.accessToken(2 * HOUR));
    keys.open();
    expect((await asked).status).toBe(200);
    expect(keys.requests()).toBe(3);
  });

  test("names of keys at random make few fetches, however many there are", async () => {
    const provider = await provide();
    const { ask, clock, errors } = mintFor(provider);
    clock.stop();
    const key = signingKey();
    const claims = decodeJwt(await provider.accessToken());
    const signed = async (kid: string) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid }).sign(await importJWK(key));
    const asked = await Promise.all(Array.from({ length: 100 }, async (_, n) => ask(await signed(`a${n}`))));
    for (let n = 0; n < 100; n++) asked.push(await ask(await signed(`b${n}`)));
    expect(provider.fetches.keys).toBeLessThanOrEqual(1 + 5);
    const outcomes = new Set(asked.map(({ status, outcome }) => `${status} ${outcome}`));
    expect(outcomes).toEqual(new Set(["401 unauthorized: unknown_key", "503 issuer_unavailable"]));
    // "unauthorized" would be final for a page, so it is only said after the issuer was asked. A good one still works.
    expect((await ask(await signed("a0"))).status).toBe(503);
    expect((await ask(await provider.accessToken())).status).toBe(200);

    const before = provider.fetches.keys;
    clock.advance(5);
    for (let n = 0; n < 20; n++) await ask(await signed(`c${n}`));
    expect(provider.fetches.keys).toBe(before + 1);
    // And a rotation in the middle of it is followed with the next fetch.
    provider.use([signingKey()]);
    const rotated = await provider.accessToken();
    expect(await ask(rotated)).toMatchObject({ status: 503, outcome: "issuer_unavailable", retryAfter: "5" });
    clock.advance(5);
    expect((await ask(rotated)).status).toBe(200);
    expect(errors).toEqual([]);
  });
});

describe("an issuer that is away", () => {
  test("is done without for an hour: for tokens that are known, and for new ones with known keys", async () => {
    const provider = await provide();
    const { ask, clock, warnings } = mintFor(provider);
    const [known, fresh, later, unknown] = await Promise.all([
      provider.accessToken(3 * HOUR),
      provider.accessToken(3 * HOUR),
      provider.accessToken(3 * HOUR),
      new SignJWT(decodeJwt(await provider.accessToken()))
        .setProtectedHeader({ alg: "RS256", kid: "unknown" })
        .sign(await importJWK(signingKey())),
    ]);
    expect((await ask(known)).status).toBe(200);
    await provider.stop();
    const unavailable = { status: 503, outcome: "issuer_unavailable", retryAfter: "5" };
    expect((await ask(known)).status).toBe(200);
    expect((await ask(fresh)).status).toBe(200);
    // Its key may be a new one.
    expect(await ask(unknown)).toMatchObject(unavailable);

    for (let minutes = 0; minutes < 59; minutes += 5) {
      expect((await ask(known)).status).toBe(200);
      clock.advance(5 * MINUTE);
    }
    expect(await ask(known)).toMatchObject(unavailable);
    expect(await ask(later)).toMatchObject(unavailable);
    expect(warnings).toEqual([
      expect.stringMatching(/^issuer "http:.*" *: its discovery document can't be fetched/),
    ]);

    await provider.start();
    clock.advance(5);
    expect((await ask(later)).status).toBe(200);
    expect((await ask(known)).status).toBe(200);
  });

  test("and was never there: callers are told to come back", async () => {
    const provider = await provide();
    const token = await provider.accessToken();
    const ended = await new SignJWT({ ...decodeJwt(token), exp: 1 })
      .setProtectedHeader({ alg: "RS256", kid: "of old" })
      .sign(await importJWK(signingKey()));
    await provider.stop();
    const { ask, auth, clock, warnings } = mintFor(provider);
    await auth.warmUp();
    expect(await ask(token)).toMatchObject({ status: 503, outcome: "issuer_unavailable", retryAfter: "5" });
    // A page with a token that has ended needs no issuer to be told so: it can fetch another.
    expect(await ask(ended)).toMatchObject({ status: 401, outcome: "unauthorized: expired" });
    expect(warnings).toHaveLength(1);
    expect(auth.keyAges()).toEqual([]);
    await provider.start();
    clock.advance(5);
    expect((await ask(token)).status).toBe(200);
    await provider.stop();
    clock.advance(11 * MINUTE);
    await auth.warmUp();
    expect(warnings).toHaveLength(2);
  });

  test("is asked once by all who wait for it, and not again at once", async () => {
    const provider = await provide();
    const token = await provider.accessToken();
    let requests = 0;
    await using broken = serve(() => {
      requests++;
      return new Response("", { status: 500 });
    });
    const issuers = [{ ...trusting(provider), jwksUri: broken.url }];
    const { ask, clock } = oidcMint({ issuers: () => issuers });
    clock.stop();
    await Promise.all(Array.from({ length: 50 }, () => ask(token)));
    for (let n = 0; n < 10; n++) expect((await ask(token)).status).toBe(503);
    expect(requests).toBe(1);
    clock.advance(1);
    expect((await ask(token)).status).toBe(503);
    expect(requests).toBe(2);
  });
});

describe("an issuer that answers something else", () => {
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

  /** What the issuer does, how it answers, and what the warning says. */
  type Odd = [string, () => Response | Promise<Response>, string];

  const discovery: Odd[] = [
    ["nothing, ever", hang, "timed out"],
    ["no end", endless, "longer than 262144 bytes"],
    ["an error", () => new Response("", { status: 500 }), "the response was 500"],
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
  for (const [name, answer, why] of discovery) {
    test(`${name}, as discovery: 503, and one warning`, async () => {
      await using server = serve(answer);
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

  const keySets: Odd[] = [
    ["nothing, ever", hang, "timed out"],
    ["no end", endless, "longer than 262144 bytes"],
    ["an error", () => new Response("", { status: 404 }), "the response was 404"],
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
  for (const [name, answer, why] of keySets) {
    test(`${name}, as keys: 503, and one warning`, async () => {
      await using server = serve(answer);
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
      let asked = 0;
      await using server = serve((request) => {
        asked++;
        return Response.json({ issuer: new URL(request.url).origin, jwks_uri: jwksUri });
      });
      await expectUnavailable("jwks_uri", server.url);
      expect(asked).toBe(1);
    });
  }

  for (const issuer of [
    "http://issuer.test",
    "https://user@issuer.test",
    "https://issuer.test/?x",
    "issuer",
  ]) {
    test(`the name ${issuer}: nothing is fetched`, async () => {
      await using server = serve(json({ keys: [key] }));
      await expectUnavailable("not an https URL", issuer, server.url);
    });
  }

  /** Asks with a token that is all right, as far as that can be known without keys. */
  async function expectUnavailable(why: string, issuer: string, jwksUri?: string) {
    const token = await new SignJWT({ iss: issuer, sub: "alice", aud: API })
      .setExpirationTime("5m")
      .setProtectedHeader({ alg: "RS256", kid: privateKey.kid })
      .sign(await importJWK(privateKey));
    const issuers = [{ issuer, audience: [API], ...(jwksUri && { jwksUri }) }];
    const { ask, clock, warnings, errors } = oidcMint({
      issuers: () => issuers,
      ...(why === "timed out" && { timeout: 200 }),
    });
    clock.stop();
    const first = await Promise.all([ask(token), ask(token)]);
    for (const answer of [...first, await ask(token)]) {
      expect(answer).toMatchObject({ status: 503, outcome: "issuer_unavailable", retryAfter: "5" });
    }
    expect(warnings).toEqual([expect.stringContaining(why)]);
    expect(warnings[0]).toStartWith(`issuer ${JSON.stringify(issuer)}: `);
    expect(warnings[0]?.length).toBeLessThan(200);
    expect(errors).toEqual([]);
  }
});

describe("a list of issuers that changes", () => {
  test("counts for a token that is being checked meanwhile", async () => {
    const provider = await provide();
    await using keys = await gatedKeys(provider);
    let issuers = [{ ...trusting(provider), jwksUri: keys.url }];
    const { ask } = oidcMint({ issuers: () => issuers });
    const asked = ask(await provider.accessToken());
    await until(() => keys.requests() === 1);
    issuers = [];
    keys.open();
    expect((await asked).status).toBe(503);
    expect(await ask(await provider.accessToken())).toMatchObject({
      outcome: "unauthorized: unknown_issuer",
    });
  });

  test("an entry that stayed keeps its keys and tokens; one that changed or went loses them", async () => {
    const [a, b] = [await provide(), await provide()];
    let issuers = [trusting(a), trusting(b)];
    const { ask } = oidcMint({ issuers: () => issuers });
    const [ofA, ofB] = [await a.accessToken(), await b.accessToken()];
    expect([(await ask(ofA)).status, (await ask(ofB)).status]).toEqual([200, 200]);

    issuers = [trusting(a)];
    expect(await ask(ofB)).toMatchObject({ status: 401, outcome: "unauthorized: unknown_issuer" });
    expect((await ask(ofA)).status).toBe(200);
    expect(a.fetches.keys).toBe(1);

    issuers = [{ ...trusting(a), audience: ["https://other.test"] }, trusting(b)];
    expect(await ask(ofA)).toMatchObject({ status: 401, outcome: "unauthorized: wrong_audience" });
    expect((await ask(ofB)).status).toBe(200);
    expect([a.fetches.keys, b.fetches.keys]).toEqual([2, 2]);
  });

  test("keys are there before the first request, and their age is known", async () => {
    const provider = await provide();
    const { ask, auth, clock } = mintFor(provider);
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
    expect((await ask(await provider.accessToken())).status).toBe(200);
    expect(fetches.keys).toBe(1);
    clock.advance(10 * MINUTE);
    await auth.warmUp();
    expect(fetches.keys).toBe(2);
  });

  test("what is being fetched is given up when its issuer goes, or everything ends", async () => {
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

  test("where the keys are can be said, and then nothing is discovered", async () => {
    const provider = await provide();
    const issuers = [{ ...trusting(provider), jwksUri: `${provider.issuer}/jwks` }];
    const { ask } = oidcMint({ issuers: () => issuers });
    expect((await ask(await provider.accessToken())).status).toBe(200);
    expect(provider.fetches).toEqual({ keys: 1, discovery: 0 });
  });
});

test("an issuer's terminating slash goes before the path of the discovery document is appended", async () => {
  const key = signingKey();
  const { d, p, q, dp, dq, qi, ...publicKey } = key as Record<string, unknown>;
  const asked: string[] = [];
  await using server = serve((request) => {
    const { origin, pathname } = new URL(request.url);
    asked.push(pathname);
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
    expect((await oidcMint({ issuers: () => issuers }).ask(token)).status).toBe(200);
  }
  const wellKnown = ".well-known/openid-configuration";
  expect(asked).toEqual([`/${wellKnown}`, "/keys", `/realm/${wellKnown}`, "/keys"]);
});

function serve(fetch: (request: Request) => Response | Promise<Response>) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch, idleTimeout: 0 });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** The provider's keys as they are when they are asked for; a shut gate holds the answer back. */
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

/** Looks again and again; the test's own time limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
