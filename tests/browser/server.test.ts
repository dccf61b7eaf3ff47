import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { within } from "../mint/parts.ts";
import { must } from "../recipe/recipe.ts";
import { hearing } from "./hearing.ts";
import { measure, printMeasures } from "./measures.ts";
import type { ClientName } from "./page/clients.ts";
import { makeStage, PAGE_ROLE, type Stage } from "./stage.ts";

/** What a session does when the server goes, or throws it out. */

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
printMeasures();

const PATIENCE = 60_000;
const CLIENTS: ClientName[] = ["nats.ws", "nats-core"];

/** A scene for each client, connected and hearing. */
async function open() {
  const backend = await stage.backend();
  const stack = new AsyncDisposableStack();
  const scenes = await Promise.all(
    CLIENTS.map(async (client) => {
      const scene = stack.use(await stage.scene());
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      return { client, scene, page, heard: await hearing(page, backend, scene.subject("a")) };
    }),
  );
  return {
    scenes,
    /** Resolves once every page is connected again and hears what is published; prints how long that took. */
    async back(what: string, since: number, count = 2): Promise<void> {
      const again = await stage.backend();
      const done = scenes.map(async ({ client, page, heard }) => {
        await page.evaluate((count) => lab.until("connected", count), count);
        measure(`${client}: connected again after ${what}`, performance.now() - since);
        await heard.check(again);
      });
      await within(Promise.all(done), "the pages to be back", PATIENCE);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe("a page's connection, with either client,", () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`is back after the server went with ${signal} and came again`, async () => {
      await using pages = await open();
      await stage.recipe.stopServer(signal);
      await Promise.all(pages.scenes.map(({ page }) => page.evaluate(() => lab.until("disconnected"))));
      await stage.recipe.startServer();
      await pages.back(`the server's start (${signal})`, performance.now());
    });
  }

  test("is back after the server was killed in the middle of a renewal", async () => {
    await using pages = await open();
    const waiting = pages.scenes.map(({ scene, page }) => {
      const known = scene.proxy.logins().length;
      // Whether it succeeds is not the question; the page may be gone before it does.
      page.evaluate(() => lab.session.refresh()).catch(() => {});
      return scene.proxy.until(() => scene.proxy.logins().length > known);
    });
    await Promise.race(waiting);
    await stage.recipe.stopServer("SIGKILL");
    await stage.recipe.startServer();
    await pages.back("the server's start (killed in a renewal)", performance.now());
  });

  test("is back with a new credential after its role's key was rotated", async () => {
    await using pages = await open();
    const [key] = stage.recipe
      .account()
      .nats.signing_keys.flatMap((key) => (typeof key !== "string" && key.role === "page" ? [key.key] : []));
    must(await stage.recipe.nsc("edit", "account", "--name", "app", "--rm-sk", key as string));
    await stage.recipe.up();
    await stage.readMint();
    await pages.back("its role's key was rotated", performance.now());
  });

  test("is back with the new rights after its role was changed", async () => {
    await using pages = await open();
    stage.recipe.writeRole("page", { ...PAGE_ROLE, sub: { allow: [...PAGE_ROLE.sub.allow, "extra"] } });
    await stage.recipe.up();
    await stage.readMint();
    await pages.back("its role was changed", performance.now());
    const backend = await stage.backend();
    for (const { page } of pages.scenes) {
      const extra = await hearing(page, backend, "extra");
      await extra.check();
      expect(await page.evaluate(() => lab.count("denied"))).toBe(0);
    }
  });
});

test("a denied subject, whatever its words, is told and takes nothing from the credential", async () => {
  await using pages = await open();
  const subjects = ["x.authorization.violation", "a.authenti", "'User.Authentication.Expired'", 'a."b"'];
  for (const { page, scene } of pages.scenes) {
    const denied = await page.evaluate(async (subjects) => {
      for (const subject of subjects) {
        lab.nc.publish(subject);
        lab.connection.hear(subject);
      }
      await lab.until("denied", 2 * subjects.length);
      return lab.events.flatMap((event) =>
        event.type === "denied" ? [`${event.operation} ${event.subject}`] : [],
      );
    }, subjects);
    expect(denied.sort()).toEqual(
      ["publish", "subscription"].flatMap((what) => subjects.map((subject) => `${what} ${subject}`)).sort(),
    );
    scene.proxy.cut();
  }
  await pages.back("its connection broke", performance.now());
  // It logged in with the same credential: no other was asked for.
  for (const { scene } of pages.scenes) expect(scene.site.asked).toHaveLength(1);
});
