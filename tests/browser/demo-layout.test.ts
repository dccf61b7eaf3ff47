import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { logIn, plainUser } from "../mint/parts.ts";
import { chatMessage, DESK, type Demo, PHONE, say, startDemo } from "./demo.ts";
import { layoutProblems, smallTargets } from "./layout.ts";

/**
 * The layout of the demo page, measured in the page. `DEMO_SHOTS=directory` keeps a screenshot of each view.
 */

setDefaultTimeout(120_000);

const SIZES = [PHONE, { width: 820, height: 1180 }, DESK, { width: 2560, height: 1440 }];
const VIEWS = SIZES.flatMap((viewport) =>
  (["light", "dark"] as const).map((colorScheme) => ({ viewport, colorScheme, width: viewport.width })),
);
/** The longest name that the mint accepts, without a place where a line may break. */
const LONG = "w".repeat(64);
const PEOPLE = Array.from({ length: 19 }, (_, i) => {
  const name = ["0", "q", "M", "a", "Z", "i"][i % 6]?.repeat(i % 3 === 0 ? 61 : 5);
  return `${name}_${19 - i}`;
});

let demo: Demo;
let backend: NatsConnection;
const ticking: ReturnType<typeof setInterval>[] = [];

beforeAll(async () => {
  demo = await startDemo();
  const login = await plainUser(demo.recipe, { pub: { allow: [">"] }, sub: { allow: [">"] } });
  backend = (await logIn(login, login.servers[0])).nc;
});
afterEach(async () => {
  for (const timer of ticking.splice(0)) clearInterval(timer);
  await demo.closeTabs();
  expect(demo.pageErrors.splice(0)).toEqual([]);
});
afterAll(async () => {
  await backend?.close();
  await demo?.[Symbol.asyncDispose]();
});

/** Sends what the tabs of these users send, until the test ends. */
function populate(room: string, names: readonly string[]): void {
  let number = 0;
  const tick = () => {
    number++;
    for (const [i, name] of names.entries()) {
      const data = JSON.stringify({ tab: "t", number, isHidden: i % 4 === 0 });
      backend.publish(`rooms.${room}.${name}.tick`, data);
    }
  };
  tick();
  ticking.push(setInterval(tick, 500));
}

async function shoot(page: Page, name: string): Promise<void> {
  const dir = process.env.DEMO_SHOTS;
  if (!dir) return;
  mkdirSync(dir, { recursive: true });
  await page.screenshot({ path: join(dir, `${name}.png`), fullPage: true });
}

/** Fails with what is wrong with the layout. */
async function check(page: Page, name: string): Promise<void> {
  await shoot(page, name);
  expect(await page.evaluate(layoutProblems)).toEqual([]);
  if ((page.viewportSize()?.width ?? 0) < 700) expect(await page.evaluate(smallTargets)).toEqual([]);
}

let rooms = 0;
/** A name of 64 characters. */
const newRoom = () => `${++rooms}`.padStart(64, "R");

describe.each(VIEWS)("$width px wide, $colorScheme", ({ viewport, colorScheme, width }) => {
  const options = { viewport, colorScheme };
  const shot = (name: string) => `${width}-${colorScheme}-${name}`;

  test("the form fits, with an error too", async () => {
    const page = await demo.open("/", options);
    await check(page, shot("form"));
    await page.fill("#name", `${LONG}*`);
    await page.press("#name", "Enter");
    await page.locator("#join-error strong").waitFor();
    await check(page, shot("form-error"));
    // The browser logs the status 422.
    demo.pageErrors.splice(0);
  });

  test("a room with one user fits", async () => {
    const page = await demo.enter(`small-${width}-${colorScheme}`, "ada", options);
    await page.locator(".person").waitFor();
    await check(page, shot("one"));
  });

  test("a room with twenty users, and names and texts of any length, fits", async () => {
    const room = newRoom();
    populate(room, PEOPLE);
    const page = await demo.enter(room, LONG, options);
    await page.waitForFunction(() => document.querySelectorAll(".person").length === 20);
    const texts = [
      "hello",
      "x".repeat(2000),
      "a sentence with many words ".repeat(20),
      "\u202Eright to left",
    ];
    for (const text of texts) {
      backend.publish(`rooms.${room}.${PEOPLE[0]}.chat`, text);
      backend.publish(`rooms.${room}.${PEOPLE[1]}.chat`, text);
    }
    await chatMessage(page, "right to left").nth(1).waitFor();
    await say(page, "from the user with the long name");
    await chatMessage(page, "from the user").waitFor();
    for (const button of ["#try-say", "#try-listen"]) {
      await page.click(button);
      await page.locator(".verdict").waitFor();
      await check(page, shot(`twenty${button}`));
    }
    const names = await page.locator(".person").allInnerTexts();
    const collator = new Intl.Collator("en", { numeric: true });
    expect(names).toEqual(names.toSorted(collator.compare));
    expect(names).toHaveLength(20);
    if (width >= 1100) {
      expect(
        await page.evaluate(() => document.documentElement.scrollHeight - innerHeight),
      ).toBeLessThanOrEqual(0);
    }
  });
});
