import { expect } from "bun:test";
import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import type { Environment, User, UserOptions } from "./environment.ts";
import type { ClientName } from "./page/clients.ts";
import { publish } from "./publishers.ts";

/** The steps that most tests of a renewal have in common. */

export interface Scenario extends AsyncDisposable {
  readonly user: User;
  readonly page: Page;
  /** Renews on the page while backends publish with `send`. Returns how many messages each publisher sent. */
  renewUnder(
    send: (nc: NatsConnection, text: string) => void,
    options?: { readonly renewals?: number; readonly rate?: number; readonly publishers?: number },
  ): Promise<Record<string, number>>;
}

/** A test with both clients, which run at the same time. */
export const withBoth = (work: (client: ClientName) => Promise<void>) => async () => {
  const clients: ClientName[] = ["nats.ws", "nats-core"];
  const done = await Promise.allSettled(clients.map(work));
  for (const [index, end] of done.entries()) {
    if (end.status === "fulfilled") continue;
    (end.reason as Error).message = `${clients[index]}: ${(end.reason as Error).message}`;
    throw end.reason;
  }
};

/** Those of a client's status events that report a connection that is lost, or is about to be. */
export const disturbances = (statuses: readonly string[]) =>
  statuses.filter((status) => /connect|stale|error/i.test(status));

/** No JWT was sent to a server after it had expired. */
export function expectValidLogins({ proxy }: User): void {
  expect(proxy.logins().filter(({ at, exp = Infinity }) => at >= exp * 1000)).toEqual([]);
}

/**
 * The mint got at least `least` requests, and never in quick succession; of the time between two requests, the first `after`
 * may be shorter.
 */
export function expectSpacedRequests({ site: { requests } }: User, least: number, after = 0): void {
  expect(requests.length).toBeGreaterThanOrEqual(least);
  const gaps = requests.slice(1).map(({ at }, index) => at - (requests[index]?.at ?? 0));
  for (const gap of gaps.slice(after)) expect(gap).toBeGreaterThan(5000);
}

/** Milliseconds in each direction: enough for traffic to arrive between the steps of a swap. */
const DELAY = 15;

/** A user whose page is connected. */
export async function scenario(
  environment: Environment,
  client: ClientName,
  { connection = {}, ...options }: UserOptions & { readonly connection?: object } = {},
): Promise<Scenario> {
  const user = await environment.user({ delay: DELAY, ...options });
  const page = await user.open();
  await page.evaluate(({ client, connection }) => harness.begin(client, {}, connection), {
    client,
    connection,
  });
  return {
    user,
    page,
    async renewUnder(send, { renewals = 5, rate = 500, publishers = 3 } = {}) {
      const connections = await Promise.all(Array.from({ length: publishers }, () => environment.backend()));
      await using running = publish(connections, rate, send);
      await page.evaluate((times) => harness.renew(times), renewals);
      await running.stop();
      return { ...running.sent };
    },
    [Symbol.asyncDispose]: () => user[Symbol.asyncDispose](),
  };
}

/** Starts a renewal on the page. Resolves in the middle of it: the next connection is logging in. */
export async function midSwap({ user, page }: Scenario): Promise<void> {
  const known = user.proxy.logins().length;
  page.evaluate(() => harness.live.refresh()).catch(() => {});
  await user.proxy.until(() => user.proxy.logins().length > known);
}
