import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { within } from "../mint/parts.ts";
import { withBoth } from "./play.ts";
import { makeStage, type Scene, type Stage } from "./stage.ts";

/** What is left behind of a session: nothing. */

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const PATIENCE = 60_000;

interface Left {
  timers: string[];
  sockets: number;
  listeners: string[];
}

/** Runs on the page before all else: counts timers, sockets and listeners that are still there, with where they come from. */
function count(): void {
  const timers = new Map<unknown, string>();
  const where = () => new Error().stack?.split("\n").slice(3, 6).join(" < ") ?? "";
  for (const [set, clear] of [
    ["setTimeout", "clearTimeout"],
    ["setInterval", "clearInterval"],
  ] as const) {
    const [start, stop] = [globalThis[set].bind(globalThis), globalThis[clear].bind(globalThis)] as [
      (act: () => void, time?: number) => number,
      (id: number) => void,
    ];
    const counted = (act: (...values: unknown[]) => void, time?: number, ...values: unknown[]) => {
      const id = start(() => {
        if (set === "setTimeout") timers.delete(id);
        act(...values);
      }, time);
      timers.set(id, `${set} ${time} ${where()}`);
      return id;
    };
    const stopped = (id: number) => {
      timers.delete(id);
      stop(id);
    };
    Object.assign(globalThis, { [set]: counted, [clear]: stopped });
  }
  const sockets: WebSocket[] = [];
  globalThis.WebSocket = class extends WebSocket {
    constructor(...values: ConstructorParameters<typeof WebSocket>) {
      super(...values);
      sockets.push(this);
    }
  };
  const listeners = new Map<unknown, string>();
  for (const target of [window, document]) {
    const [add, remove] = [target.addEventListener.bind(target), target.removeEventListener.bind(target)];
    const key = (type: string, listener: unknown) => `${type} ${String(listener)}`;
    target.addEventListener = (type: string, listener: EventListener, options?: boolean) => {
      listeners.set(key(type, listener), type);
      add(type, listener, options);
    };
    target.removeEventListener = (type: string, listener: EventListener, options?: boolean) => {
      listeners.delete(key(type, listener));
      remove(type, listener, options);
    };
  }
  Object.assign(globalThis, {
    left: (): Left => ({
      timers: [...timers.values()],
      sockets: sockets.filter(({ readyState }) => readyState !== WebSocket.CLOSED).length,
      listeners: [...listeners.values()],
    }),
  });
}

const left = (page: Page) => page.evaluate(() => (globalThis as unknown as { left(): Left }).left());
const NOTHING: Left = { timers: [], sockets: 0, listeners: [] };

const open = (scene: Scene) => scene.open((page) => page.addInitScript(count));

/** In the end there is nothing left, on the page and at the server. */
async function expectNothing(page: Page, { proxy }: Scene): Promise<void> {
  await within(
    proxy.until(() => proxy.open().length === 0),
    "the sockets to be closed",
    PATIENCE,
  );
  // A socket is closed when the other side has said so too.
  await within(
    page.evaluate(async () => {
      const { left } = globalThis as unknown as { left(): Left };
      while (left().sockets > 0) await new Promise((resolve) => requestAnimationFrame(resolve));
    }),
    "the sockets to be closed on the page",
    PATIENCE,
  );
  expect(await left(page)).toEqual(NOTHING);
}

describe("close()", () => {
  test(
    "of a session leaves no timer, no socket and no listener, and closes its clients for good",
    withBoth(async (client) => {
      await using scene = await stage.scene();
      const page = await open(scene);
      await page.evaluate(async (client) => {
        await lab.begin(client);
        lab.keep("other", await lab.connect(client));
        await lab.renew(2);
      }, client);
      expect(await left(page)).not.toEqual(NOTHING);
      const ends = page.evaluate(async () => {
        lab.session.close();
        const ends = await Promise.all([lab.nc.closed(), lab.kept.other.nc.closed()]);
        return ends.map((error) => (error as { code?: string } | undefined)?.code);
      });
      expect(await within(ends, "the clients to close", PATIENCE)).toEqual(["closed", "closed"]);
      await expectNothing(page, scene);
      const asked = scene.site.asked.length;
      const after = await page.evaluate(async () => {
        lab.session.close();
        const error = await lab.session.refresh().catch((error) => error);
        return { code: (error as { code?: string }).code, closed: lab.count("closed") };
      });
      expect(after).toEqual({ code: "closed", closed: 1 });
      expect(scene.site.asked.length).toBe(asked);
    }),
  );

  test.each([0, 20, 50, 80, 120, 160, 200])(
    "of a session in the middle of a renewal, %p ms after its dial, leaves nothing either",
    (moment) =>
      withBoth(async (client) => {
        await using scene = await stage.scene({ delay: 15 });
        const page = await open(scene);
        const code = page.evaluate(
          async ({ client, moment }) => {
            await lab.begin(client);
            const { left } = globalThis as unknown as { left(): Left };
            const refreshed = lab.session.refresh().then(
              () => "refreshed",
              (error) => error.code,
            );
            while (left().sockets < 2) await new Promise((resolve) => setTimeout(resolve));
            await new Promise((resolve) => setTimeout(resolve, moment));
            lab.session.close();
            await lab.nc.closed();
            return refreshed;
          },
          { client, moment },
        );
        // On a slow machine it may be over by then.
        expect(await within(code, "the renewal to end", PATIENCE)).toBeOneOf(["closed", "refreshed"]);
        await expectNothing(page, scene);
      })(),
  );

  test(
    "of a session that waits for the mint leaves nothing either",
    withBoth(async (client) => {
      await using scene = await stage.scene();
      const page = await open(scene);
      await page.evaluate((client) => lab.begin(client), client);
      scene.site.answerWith(() => new Response(null, { status: 503, headers: { "Retry-After": "60" } }));
      const code = page.evaluate(async () => {
        const refreshed = lab.session.refresh().catch((error) => error.code);
        await lab.until("delayed");
        lab.session.close();
        await lab.nc.closed();
        return refreshed;
      });
      expect(await within(code, "the renewal to end", PATIENCE)).toBe("closed");
      await expectNothing(page, scene);
    }),
  );

  test(
    "of a client in the middle of a renewal leaves no socket, and the session can connect another",
    withBoth(async (client) => {
      await using scene = await stage.scene({ delay: 15 });
      const page = await open(scene);
      const refreshed = page.evaluate(async (client) => {
        await lab.begin(client);
        const { left } = globalThis as unknown as { left(): Left };
        const refreshed = lab.session.refresh();
        while (left().sockets < 2) await new Promise((resolve) => setTimeout(resolve));
        await lab.nc.close();
        await refreshed;
        const again = await lab.connect(client);
        await again.nc.flush();
        await again.nc.close();
      }, client);
      await within(refreshed, "the renewal and another connection", PATIENCE);
      await within(
        scene.proxy.until(() => scene.proxy.open().length === 0),
        "the sockets to be closed",
        PATIENCE,
      );
      await page.evaluate(() => lab.session.close());
      await expectNothing(page, scene);
    }),
  );
});
