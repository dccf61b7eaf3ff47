import { describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { within } from "../mint/parts.ts";
import { type User, useEnvironment } from "./environment.ts";
import { withBoth } from "./scenario.ts";

/** After the end of live credentials or of a client, nothing of them is left on the page. */

const environment = useEnvironment();

const TIMEOUT = 60_000;

interface Remaining {
  timers: string[];
  sockets: number;
  listeners: string[];
}

/** Runs before the page's scripts: tracks the timers, sockets and listeners that exist, with the place of origin. */
function track(): void {
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
    const tracked = (act: (...values: unknown[]) => void, time?: number, ...values: unknown[]) => {
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
    Object.assign(globalThis, { [set]: tracked, [clear]: stopped });
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
    remaining: (): Remaining => ({
      timers: [...timers.values()],
      sockets: sockets.filter(({ readyState }) => readyState !== WebSocket.CLOSED).length,
      listeners: [...listeners.values()],
    }),
  });
}

const remaining = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { remaining(): Remaining }).remaining());
const NOTHING: Remaining = { timers: [], sockets: 0, listeners: [] };

const open = (user: User) => user.open((page) => page.addInitScript(track));

/** Nothing is left on the page, and no connection to the server. */
async function expectNothing(page: Page, { proxy }: User): Promise<void> {
  await within(
    proxy.until(() => proxy.open().length === 0),
    "the sockets to be closed",
    TIMEOUT,
  );
  // A WebSocket is closed when the other side has sent its close frame too.
  await within(
    page.evaluate(async () => {
      const { remaining } = globalThis as unknown as { remaining(): Remaining };
      while (remaining().sockets > 0) await new Promise((resolve) => requestAnimationFrame(resolve));
    }),
    "the sockets to be closed on the page",
    TIMEOUT,
  );
  expect(await remaining(page)).toEqual(NOTHING);
}

describe("close()", () => {
  test(
    "of live credentials leaves no timer, no socket and no listener, and closes their clients for good",
    withBoth(async (client) => {
      await using user = await environment.user();
      const page = await open(user);
      await page.evaluate(async (client) => {
        await harness.begin(client);
        harness.keep("other", await harness.connect(client));
        await harness.renew(2);
      }, client);
      expect(await remaining(page)).not.toEqual(NOTHING);
      const ends = page.evaluate(async () => {
        harness.live.close();
        const ends = await Promise.all([harness.nc.closed(), harness.kept.other.nc.closed()]);
        return ends.map((error) => (error as { code?: string } | undefined)?.code);
      });
      expect(await within(ends, "the clients to close", TIMEOUT)).toEqual(["closed", "closed"]);
      await expectNothing(page, user);
      const requests = user.site.requests.length;
      const after = await page.evaluate(async () => {
        harness.live.close();
        const error = await harness.live.refresh().catch((error) => error);
        return { code: (error as { code?: string }).code, closed: harness.count("closed") };
      });
      expect(after).toEqual({ code: "closed", closed: 1 });
      expect(user.site.requests.length).toBe(requests);
    }),
  );

  test.each([0, 20, 50, 80, 120, 160, 200])(
    "in the middle of a renewal, %p ms after its dial, leaves nothing either",
    (moment) =>
      withBoth(async (client) => {
        await using user = await environment.user({ delay: 15 });
        const page = await open(user);
        const code = page.evaluate(
          async ({ client, moment }) => {
            await harness.begin(client);
            const { remaining } = globalThis as unknown as { remaining(): Remaining };
            const refreshed = harness.live.refresh().then(
              () => "refreshed",
              (error) => error.code,
            );
            while (remaining().sockets < 2) await new Promise((resolve) => setTimeout(resolve));
            await new Promise((resolve) => setTimeout(resolve, moment));
            harness.live.close();
            await harness.nc.closed();
            return refreshed;
          },
          { client, moment },
        );
        // On a slow machine, the renewal may have ended before.
        expect(await within(code, "the renewal to end", TIMEOUT)).toBeOneOf(["closed", "refreshed"]);
        await expectNothing(page, user);
      })(),
  );

  test(
    "during the delay of Retry-After leaves nothing either",
    withBoth(async (client) => {
      await using user = await environment.user();
      const page = await open(user);
      await page.evaluate((client) => harness.begin(client), client);
      user.site.respondWith(() => new Response(null, { status: 503, headers: { "Retry-After": "60" } }));
      const code = page.evaluate(async () => {
        const refreshed = harness.live.refresh().catch((error) => error.code);
        await harness.until("delayed");
        harness.live.close();
        await harness.nc.closed();
        return refreshed;
      });
      expect(await within(code, "the renewal to end", TIMEOUT)).toBe("closed");
      await expectNothing(page, user);
    }),
  );

  test(
    "of a client in the middle of a renewal leaves no socket, and another client can be connected",
    withBoth(async (client) => {
      await using user = await environment.user({ delay: 15 });
      const page = await open(user);
      const refreshed = page.evaluate(async (client) => {
        await harness.begin(client);
        const { remaining } = globalThis as unknown as { remaining(): Remaining };
        const refreshed = harness.live.refresh();
        while (remaining().sockets < 2) await new Promise((resolve) => setTimeout(resolve));
        await harness.nc.close();
        await refreshed;
        const again = await harness.connect(client);
        await again.nc.flush();
        await again.nc.close();
      }, client);
      await within(refreshed, "the renewal and another connection", TIMEOUT);
      await within(
        user.proxy.until(() => user.proxy.open().length === 0),
        "the sockets to be closed",
        TIMEOUT,
      );
      await page.evaluate(() => harness.live.close());
      await expectNothing(page, user);
    }),
  );
});
