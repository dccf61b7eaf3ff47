import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { hearing } from "./hearing.ts";
import { withBoth } from "./play.ts";
import { makeStage, type Stage } from "./stage.ts";

/** Pages that have less than others: no Ed25519, no mint of their own origin. */

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** Runs on the page before all else: WebCrypto as it was before Ed25519. */
function age(): void {
  const refuse = async () => {
    throw new DOMException("Unrecognized name.", "NotSupportedError");
  };
  for (const name of ["generateKey", "importKey"]) {
    Object.defineProperty(crypto.subtle, name, { value: refuse });
  }
}

const PAGES = [
  { name: "on a page that is not secure, and so has no WebCrypto", hostname: "page.test", script: () => {} },
  { name: "in a browser whose WebCrypto has no Ed25519", hostname: "localhost", script: age },
] as const;

describe.each([...PAGES])("$name,", ({ hostname, script }) => {
  test(
    "a session works with an nkeys implementation",
    withBoth(async (client) => {
      await using scene = await stage.scene({ hostname });
      const page = await scene.open((page) => page.addInitScript(script));
      await page.evaluate(async (client) => {
        await lab.start({}, { nkeys: lab.nkeys });
        await lab.connect(client);
      }, client);
      const heard = await hearing(page, await stage.backend(), scene.subject("a"));
      await page.evaluate(() => lab.renew(2));
      await heard.check();
      expect(scene.proxy.logins().length).toBe(3);
    }),
  );

  test("a session without one says what is missing", async () => {
    await using scene = await stage.scene({ hostname });
    const page = await scene.open((page) => page.addInitScript(script));
    const error = await page.evaluate(async () => {
      const error = await lab.start().catch((error) => error);
      return { code: (error as { code?: string }).code, message: (error as Error).message };
    });
    expect(error.code).toBe("unsupported");
    expect(error.message).toMatch(/Ed25519/);
    expect(error.message).toMatch(/nkeys/);
    expect(scene.site.asked).toEqual([]);
  });
});

describe("a page of another origin than the mint's", () => {
  test(
    "gets its credentials where the mint lists the origin, and waits as long as it's told",
    withBoth(async (client) => {
      await using own = await stage.scene();
      await using mint = await stage.scene({ allowedOrigins: [own.site.origin] });
      const page = await own.open();
      await page.evaluate(
        async ({ client, endpoint }) => {
          await lab.begin(client, endpoint);
          await lab.renew(2);
        },
        { client, endpoint: { url: `${mint.site.origin}/creds`, user: mint.user } },
      );
      const heard = await hearing(page, await stage.backend(), mint.subject("a"));
      await heard.check();
      expect(own.site.asked).toEqual([]);
      expect(mint.proxy.logins().length).toBe(3);
      const headers = {
        "Retry-After": "2",
        "Access-Control-Allow-Origin": own.site.origin,
        "Access-Control-Expose-Headers": "Retry-After",
      };
      mint.site.answerWith(({ method }) =>
        method === "POST" ? Response.json({}, { status: 503, headers }) : undefined,
      );
      const delay = await page.evaluate(async () => {
        lab.session.refresh().catch(() => {});
        const told = await lab.until("delayed");
        return told.type === "delayed" && told.delay;
      });
      expect(delay).toBeGreaterThanOrEqual(2000);
    }),
  );

  test("gets none where the mint does not list it", async () => {
    await using own = await stage.scene();
    await using mint = await stage.scene();
    const page = await own.open();
    const error = await page.evaluate(
      async (endpoint) => {
        const error = await lab.start(endpoint).catch((error) => error);
        return (error as { code?: string }).code;
      },
      { url: `${mint.site.origin}/creds`, user: mint.user },
    );
    expect(error).toBe("unavailable");
  });
});
