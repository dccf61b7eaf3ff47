import { expect } from "bun:test";
import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import type { ClientName } from "./page/clients.ts";
import { publish } from "./publishers.ts";
import type { Scene, SceneOptions, Stage } from "./stage.ts";

/** What most tests of a renewal are made of. */

export interface Play extends AsyncDisposable {
  readonly scene: Scene;
  readonly page: Page;
  /** Has the page renew so often, while others publish as `send` says; returns how many of each were sent. */
  renewUnder(
    send: (nc: NatsConnection, text: string) => void,
    options?: { readonly renewals?: number; readonly rate?: number; readonly publishers?: number },
  ): Promise<Record<string, number>>;
}

/** A test with either client, at the same time. */
export const withBoth = (work: (client: ClientName) => Promise<void>) => async () => {
  const clients: ClientName[] = ["nats.ws", "nats-core"];
  const done = await Promise.allSettled(clients.map(work));
  for (const [index, end] of done.entries()) {
    if (end.status === "fulfilled") continue;
    (end.reason as Error).message = `${clients[index]}: ${(end.reason as Error).message}`;
    throw end.reason;
  }
};

/** Of a client's status events, those that tell of a connection lost, or about to be. */
export const disturbances = (statuses: readonly string[]) =>
  statuses.filter((status) => /connect|stale|error/i.test(status));

/** No JWT was presented after its end. */
export function expectLiveLogins({ proxy }: Scene): void {
  expect(proxy.logins().filter(({ at, exp = Infinity }) => at >= exp * 1000)).toEqual([]);
}

/** The mint was asked so many times at least, and never in a hurry; `after` so many that may have been. */
export function expectCalm({ site: { asked } }: Scene, least: number, after = 0): void {
  expect(asked.length).toBeGreaterThanOrEqual(least);
  const gaps = asked.slice(1).map(({ at }, index) => at - (asked[index]?.at ?? 0));
  for (const gap of gaps.slice(after)) expect(gap).toBeGreaterThan(5000);
}

/** Milliseconds each way: enough for a swap to have its moments. */
const DELAY = 15;

/** A scene with a page that is connected. */
export async function play(
  stage: Stage,
  client: ClientName,
  { connection = {}, ...options }: SceneOptions & { readonly connection?: object } = {},
): Promise<Play> {
  const scene = await stage.scene({ delay: DELAY, ...options });
  const page = await scene.open();
  await page.evaluate(({ client, connection }) => lab.begin(client, {}, connection), { client, connection });
  return {
    scene,
    page,
    async renewUnder(send, { renewals = 5, rate = 500, publishers = 3 } = {}) {
      const connections = await Promise.all(Array.from({ length: publishers }, () => stage.backend()));
      await using running = publish(connections, rate, send);
      await page.evaluate((times) => lab.renew(times), renewals);
      await running.stop();
      return { ...running.sent };
    },
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  };
}

/** Resolves in the middle of a renewal that the page has begun: the next connection is logging in. */
export async function midSwap({ scene, page }: Play): Promise<void> {
  const known = scene.proxy.logins().length;
  page.evaluate(() => lab.session.refresh()).catch(() => {});
  await scene.proxy.until(() => scene.proxy.logins().length > known);
}
