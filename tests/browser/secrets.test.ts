import { describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { type User, useEnvironment } from "./environment.ts";
import { withBoth } from "./scenario.ts";

/** The private key does not leave the page, and no script can read it. */

const environment = useEnvironment();

/** Records everything that the page sends, with one character for each byte. */
function tap(page: Page, { proxy }: User) {
  const requests: string[] = [];
  const frames: string[] = [];
  const pending: Promise<unknown>[] = [];
  const asText = (payload: string | Buffer) => Buffer.from(payload).toString("latin1");
  page.on("request", (request) => {
    pending.push(
      request.allHeaders().then((headers) => {
        const body = request.postDataBuffer()?.toString("latin1") ?? "";
        requests.push([request.url(), JSON.stringify(headers), body].join("\n"));
      }),
    );
  });
  page.on("websocket", (socket) => {
    frames.push(socket.url());
    socket.on("framesent", ({ payload }) => frames.push(asText(payload)));
  });
  return async () => {
    await Promise.all(pending);
    return { requests, frames, all: [...requests, ...frames, proxy.sent()].join("\n") };
  };
}

/** What the page has stored, in every kind of storage. */
async function stored(page: Page, { context }: User) {
  const inside = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    cookie: document.cookie,
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
  }));
  return { ...inside, cookies: await context.cookies() };
}

const NOTHING = { local: {}, session: {}, cookie: "", databases: [], caches: [], cookies: [] };
/**
 * Seeds and private keys, and fields that are named like one. "seed" counts as a word, or in a name in JSON or in a query:
 * elsewhere, such as in a signature, the four letters appear by chance.
 */
const SECRET =
  /\bS[UAONCX][A-Z2-7]{56}\b|-----BEGIN|private|\bseed\b|"[^"]*seed[^"]*"\s*:|[?&][^=&\s]*seed[^=&\s]*=/i;

describe("live credentials", () => {
  test(
    "make a key that cannot be exported; nothing secret leaves the page or is stored",
    withBoth(async (client) => {
      await using user = await environment.user();
      let report = async () => ({ requests: [] as string[], frames: [] as string[], all: "" });
      const page = await user.open(async (page) => {
        report = tap(page, user);
        // Keeps every private key that the page makes or imports.
        await page.addInitScript(() => {
          const keys: CryptoKey[] = [];
          Object.assign(globalThis, { keys });
          const { subtle } = crypto;
          for (const name of ["generateKey", "importKey"] as const) {
            const make = subtle[name].bind(subtle) as (...values: unknown[]) => Promise<unknown>;
            Object.defineProperty(subtle, name, {
              value: async (...values: unknown[]) => {
                const made = (await make(...values)) as CryptoKeyPair;
                keys.push(made.privateKey ?? made);
                return made;
              },
            });
          }
        });
      });
      await page.evaluate(async (client) => {
        await harness.begin(client);
        await harness.renew(2);
      }, client);
      const keys = await page.evaluate(async () => {
        const { keys } = globalThis as unknown as { keys: CryptoKey[] };
        const formats = ["pkcs8", "jwk", "raw"] as const;
        const exports = keys.flatMap((key) =>
          formats.map((format) =>
            crypto.subtle.exportKey(format as never, key).then(
              () => format,
              () => "refused",
            ),
          ),
        );
        return {
          kinds: keys.map(({ type, extractable, usages }) => ({ type, extractable, usages })),
          exports: await Promise.all(exports),
        };
      });
      expect(keys.kinds).toEqual([{ type: "private", extractable: false, usages: ["sign"] }]);
      expect(keys.exports).toEqual(["refused", "refused", "refused"]);

      const { requests, frames, all } = await report();
      expect(requests.filter((request) => request.includes('"public_key":"U')).length).toBe(3);
      expect(frames.filter((frame) => frame.includes("CONNECT {")).length).toBe(3);
      expect(SECRET.exec(all)).toBe(null);
      expect<object>(await stored(page, user)).toEqual(NOTHING);
    }),
  );

  test(
    "with nkeys instead of WebCrypto neither send nor store the seed",
    withBoth(async (client) => {
      await using user = await environment.user({ hostname: "page.test" });
      let report = async () => ({ requests: [] as string[], frames: [] as string[], all: "" });
      const page = await user.open(async (page) => {
        report = tap(page, user);
      });
      const seeds = await page.evaluate(async (client) => {
        const seeds: string[] = [];
        const createUser = () => {
          const pair = harness.nkeys.createUser();
          seeds.push(new TextDecoder().decode(pair.getSeed()));
          return pair;
        };
        await harness.start({}, { nkeys: { ...harness.nkeys, createUser } });
        await harness.connect(client);
        await harness.renew(2);
        return seeds;
      }, client);
      expect(seeds.length).toBe(1);
      const { frames, all } = await report();
      expect(frames.filter((frame) => frame.includes("CONNECT {")).length).toBe(3);
      expect(SECRET.exec(all)).toBe(null);
      for (const seed of seeds) expect(all).not.toContain(seed.slice(4, 50));
      const kept = await page.evaluate(async () => ({
        local: { ...localStorage },
        session: { ...sessionStorage },
        cookie: document.cookie,
        databases: (await indexedDB.databases()).length,
      }));
      expect<object>(kept).toEqual({ local: {}, session: {}, cookie: "", databases: 0 });
    }),
  );

  test("are checked by a recording that finds a seed which is sent", async () => {
    await using user = await environment.user();
    let report = async () => ({ all: "" });
    const page = await user.open(async (page) => {
      report = tap(page, user);
    });
    await page.evaluate(async () => {
      await harness.begin("nats.ws");
      const pair = harness.nkeys.createUser();
      harness.nc.publish("users.x", pair.getSeed());
      await harness.nc.flush();
    });
    expect((await report()).all).toMatch(SECRET);
  });
});
