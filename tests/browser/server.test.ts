import { describe, expect, test } from "bun:test";
import { within } from "../mint/parts.ts";
import { expectSuccess } from "../recipe/recipe.ts";
import { PAGE_ROLE, useEnvironment } from "./environment.ts";
import { measure, printMeasures } from "./measures.ts";
import type { ClientName } from "./page/clients.ts";
import { probeSubscription } from "./subscription-probe.ts";

/** Live credentials when the server stops or ends the connection. */

const environment = useEnvironment();
printMeasures();

const TIMEOUT = 60_000;
const CLIENTS: ClientName[] = ["nats.ws", "nats-core"];

/** A user for each client, connected and subscribed. */
async function open() {
  const backend = await environment.backend();
  const stack = new AsyncDisposableStack();
  const users = await Promise.all(
    CLIENTS.map(async (client) => {
      const user = stack.use(await environment.user());
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      return { client, user, page, probe: await probeSubscription(page, backend, user.subject("a")) };
    }),
  );
  return {
    users,
    /** Resolves when every page is connected again and receives what is published; measures how long that took. */
    async reconnected(what: string, since: number, count = 2): Promise<void> {
      const again = await environment.backend();
      const done = users.map(async ({ client, page, probe }) => {
        await page.evaluate((count) => harness.until("connected", count), count);
        measure(`${client}: connected again after ${what}`, performance.now() - since);
        await probe.check(again);
      });
      await within(Promise.all(done), "the pages to be connected again", TIMEOUT);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe("a page's connection, with either client,", () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`is back after the server was stopped by ${signal} and started again`, async () => {
      await using pages = await open();
      await environment.recipe.stopServer(signal);
      await Promise.all(pages.users.map(({ page }) => page.evaluate(() => harness.until("disconnected"))));
      await environment.recipe.startServer();
      await pages.reconnected(`the server's start (${signal})`, performance.now());
    });
  }

  test("is back after the server was killed in the middle of a renewal", async () => {
    await using pages = await open();
    const waiting = pages.users.map(({ user, page }) => {
      const known = user.proxy.logins().length;
      // The result does not matter here; the page may close before there is one.
      page.evaluate(() => harness.live.refresh()).catch(() => {});
      return user.proxy.until(() => user.proxy.logins().length > known);
    });
    await Promise.race(waiting);
    await environment.recipe.stopServer("SIGKILL");
    await environment.recipe.startServer();
    await pages.reconnected("the server's start (killed in a renewal)", performance.now());
  });

  test("is back with a new credential after its role's key was rotated", async () => {
    await using pages = await open();
    const [key] = environment.recipe
      .account()
      .nats.signing_keys.flatMap((key) => (typeof key !== "string" && key.role === "page" ? [key.key] : []));
    expectSuccess(await environment.recipe.nsc("edit", "account", "--name", "app", "--rm-sk", key as string));
    await environment.recipe.up();
    await environment.readMint();
    await pages.reconnected("its role's key was rotated", performance.now());
  });

  test("is back with the new permissions after its role was changed", async () => {
    await using pages = await open();
    environment.recipe.writeRole("page", { ...PAGE_ROLE, sub: { allow: [...PAGE_ROLE.sub.allow, "extra"] } });
    await environment.recipe.up();
    await environment.readMint();
    await pages.reconnected("its role was changed", performance.now());
    const backend = await environment.backend();
    for (const { page } of pages.users) {
      const extra = await probeSubscription(page, backend, "extra");
      await extra.check();
      expect(await page.evaluate(() => harness.count("denied"))).toBe(0);
    }
  });
});

test("a denied subject is reported as it is, and the credential stays in use", async () => {
  await using pages = await open();
  const subjects = ["x.authorization.violation", "a.authenti", "'User.Authentication.Expired'", 'a."b"'];
  for (const { page, user } of pages.users) {
    const denied = await page.evaluate(async (subjects) => {
      for (const subject of subjects) {
        harness.nc.publish(subject);
        harness.connection.record(subject);
      }
      await harness.until("denied", 2 * subjects.length);
      return harness.events.flatMap((event) =>
        event.type === "denied" ? [`${event.operation} ${event.subject}`] : [],
      );
    }, subjects);
    expect(denied.sort()).toEqual(
      ["publish", "subscription"].flatMap((what) => subjects.map((subject) => `${what} ${subject}`)).sort(),
    );
    user.proxy.cut();
  }
  await pages.reconnected("its connection broke", performance.now());
  // It logged in with the same credential: no other one was requested.
  for (const { user } of pages.users) expect(user.site.requests).toHaveLength(1);
});
