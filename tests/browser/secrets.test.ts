import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { withBoth } from "./play.ts";
import { makeStage, type Scene, type Stage } from "./stage.ts";

/** The private key stays on the page, where no script can read it. */

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** Writes down everything that goes over the page's wires, a character for each byte. */
function tap(page: Page, { proxy }: Scene) {
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
    return { requests, frames, all: [...requests, ...frames, proxy.said()].join("\n") };
  };
}

/** All that the page could have stored. */
async function stored(page: Page, { context }: Scene) {
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
 * Seeds, and everything that is named like one. "seed" as a word or in a name, in JSON or a query: four letters also stand
 * in a signature by chance.
 */
const SECRET =
  /\bS[UAONCX][A-Z2-7]{56}\b|-----BEGIN|private|\bseed\b|"[^"]*seed[^"]*"\s*:|[?&][^=&\s]*seed[^=&\s]*=/i;

describe("a session", () => {
  test(
    "makes a key that can't be exported, and nothing secret leaves the page or is stored",
    withBoth(async (client) => {
      await using scene = await stage.scene();
      let report = async () => ({ requests: [] as string[], frames: [] as string[], all: "" });
      const page = await scene.open(async (page) => {
        report = tap(page, scene);
        // Keeps every private key that the page gets hold of.
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
        await lab.begin(client);
        await lab.renew(2);
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
      expect<object>(await stored(page, scene)).toEqual(NOTHING);
    }),
  );

  test(
    "with nkeys in the place of WebCrypto neither sends nor stores the seed",
    withBoth(async (client) => {
      await using scene = await stage.scene({ hostname: "page.test" });
      let report = async () => ({ requests: [] as string[], frames: [] as string[], all: "" });
      const page = await scene.open(async (page) => {
        report = tap(page, scene);
      });
      const seeds = await page.evaluate(async (client) => {
        const seeds: string[] = [];
        const createUser = () => {
          const pair = lab.nkeys.createUser();
          seeds.push(new TextDecoder().decode(pair.getSeed()));
          return pair;
        };
        await lab.start({}, { nkeys: { ...lab.nkeys, createUser } });
        await lab.connect(client);
        await lab.renew(2);
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

  test("is looked at by eyes that see a seed where one goes over the wire", async () => {
    await using scene = await stage.scene();
    let report = async () => ({ all: "" });
    const page = await scene.open(async (page) => {
      report = tap(page, scene);
    });
    await page.evaluate(async () => {
      await lab.begin("nats.ws");
      const pair = lab.nkeys.createUser();
      lab.nc.publish("users.x", pair.getSeed());
      await lab.nc.flush();
    });
    expect((await report()).all).toMatch(SECRET);
  });
});
