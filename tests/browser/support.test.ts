import { describe, expect, test } from "bun:test";
import type { CredentialError } from "../../src/browser/index.ts";
import { type User, useEnvironment } from "./environment.ts";
import { withBoth } from "./scenario.ts";
import { probeSubscription } from "./subscription-probe.ts";

/** Pages without Ed25519 in WebCrypto, and pages whose mint is on another origin. */

const environment = useEnvironment();

/** Runs before the page's scripts: makes WebCrypto as it was before it had Ed25519. */
function removeEd25519(): void {
  const refuse = async () => {
    throw new DOMException("Unrecognized name.", "NotSupportedError");
  };
  for (const name of ["generateKey", "importKey"]) {
    Object.defineProperty(crypto.subtle, name, { value: refuse });
  }
}

const PAGES = [
  {
    name: "on a page that is no secure context, and so has no WebCrypto",
    hostname: "page.test",
    script: () => {},
  },
  { name: "in a browser whose WebCrypto has no Ed25519", hostname: "localhost", script: removeEd25519 },
] as const;

describe.each([...PAGES])("$name,", ({ hostname, script }) => {
  test(
    "live credentials work with an nkeys implementation",
    withBoth(async (client) => {
      await using user = await environment.user({ hostname });
      const page = await user.open((page) => page.addInitScript(script));
      await page.evaluate(async (client) => {
        await harness.start({}, { nkeys: harness.nkeys });
        await harness.connect(client);
      }, client);
      const probe = await probeSubscription(page, await environment.backend(), user.subject("a"));
      await page.evaluate(() => harness.renew(2));
      await probe.check();
      expect(user.proxy.logins().length).toBe(3);
    }),
  );

  test("live credentials without one reject with an error that names it", async () => {
    await using user = await environment.user({ hostname });
    const page = await user.open((page) => page.addInitScript(script));
    const error = await page.evaluate(async () => {
      const error = await harness.start().catch((error) => error);
      return { code: (error as { code?: string }).code, message: (error as Error).message };
    });
    expect(error.code).toBe("unsupported");
    expect(error.message).toMatch(/Ed25519/);
    expect(error.message).toMatch(/nkeys/);
    expect(user.site.requests).toEqual([]);
  });
});

describe("a page of another origin than the mint's", () => {
  test(
    "gets credentials if the mint allows the origin, and waits as long as Retry-After says",
    withBoth(async (client) => {
      await using own = await environment.user();
      await using mint = await environment.user({ allowedOrigins: [own.site.origin] });
      const page = await own.open();
      await page.evaluate(
        async ({ client, endpoint }) => {
          await harness.begin(client, endpoint);
          await harness.renew(2);
        },
        { client, endpoint: { url: `${mint.site.origin}/creds`, user: mint.name } },
      );
      const probe = await probeSubscription(page, await environment.backend(), mint.subject("a"));
      await probe.check();
      expect(own.site.requests).toEqual([]);
      expect(mint.proxy.logins().length).toBe(3);
      const headers = {
        "Retry-After": "2",
        "Access-Control-Allow-Origin": own.site.origin,
        "Access-Control-Expose-Headers": "Retry-After",
      };
      mint.site.respondWith(({ method }) =>
        method === "POST" ? Response.json({}, { status: 503, headers }) : undefined,
      );
      const delay = await page.evaluate(async () => {
        harness.live.refresh().catch(() => {});
        const event = await harness.until("delayed");
        return event.type === "delayed" && event.delay;
      });
      expect(delay).toBeGreaterThanOrEqual(2000);
    }),
  );

  /** What the page of `own` is told when it gets no credential from the mint of another user. */
  async function failure(own: User, mint: User) {
    const page = await own.open();
    return page.evaluate(
      async (endpoint) => {
        const error = (await harness.start(endpoint).catch((error) => error)) as CredentialError;
        return { code: error.code, message: error.message, cause: (error.cause as Error).name };
      },
      { url: `${mint.site.origin}/creds`, user: mint.name },
    );
  }

  /** A page is told no more by a browser. */
  const possibly = (own: User, mint: User) =>
    `no response from ${mint.site.origin}/creds: not reachable, or CORS does not allow ${own.site.origin}`;

  test("gets none if the mint does not allow the origin, and is told that CORS may be the reason", async () => {
    await using own = await environment.user();
    await using mint = await environment.user();
    expect(await failure(own, mint)).toEqual({
      code: "unavailable",
      message: possibly(own, mint),
      cause: "TypeError",
    });
  });

  test("is told so in the event when the mint does not allow it any more, or a header of the request", async () => {
    await using own = await environment.user();
    await using mint = await environment.user({ allowedOrigins: [own.site.origin] });
    const page = await own.open();
    const endpoint = { url: `${mint.site.origin}/creds`, user: mint.name };
    const message = await page.evaluate(async (endpoint) => {
      await harness.begin("nats-core", endpoint);
      // As observability tools do. The browser has no permission for this header.
      const { fetch } = window;
      const withHeader = (url: RequestInfo | URL, options: RequestInit = {}) =>
        fetch(url, { ...options, headers: { ...(options.headers as object), "X-Unheard-Of": "1" } });
      Object.assign(window, { fetch: withHeader });
      const delayed = harness.until("delayed");
      harness.live.refresh().catch(() => {});
      const event = await delayed;
      return event.type === "delayed" && event.error.message;
    }, endpoint);
    expect(message).toBe(possibly(own, mint));
  });

  test("is told nothing of CORS by a mint of its own origin that is down", async () => {
    await using user = await environment.user();
    const page = await user.open();
    user.site.stop();
    const message = await page.evaluate(() => harness.start().catch((error) => error.message));
    expect(message).toBe("no response from /creds");
  });

  test("is told nothing of CORS when it is offline", async () => {
    await using own = await environment.user();
    await using mint = await environment.user({ allowedOrigins: [own.site.origin] });
    const page = await own.open();
    await own.context.setOffline(true);
    const message = await page.evaluate(
      (endpoint) => harness.start(endpoint).catch((error) => error.message),
      { url: `${mint.site.origin}/creds`, user: mint.name },
    );
    expect(message).toBe(`no response from ${mint.site.origin}/creds`);
  });
});
