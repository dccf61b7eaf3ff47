import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { runService } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { executablePath, launchBrowser } from "./chromium.ts";
import { chatMessage, DESK, type Demo, PHONE, projectDir, say, startDemo } from "./demo.ts";

/** What the demo page does. */

setDefaultTimeout(120_000);

const picture = join(projectDir, "docs/images/demo.png");
const axe = readFileSync(join(projectDir, "node_modules/axe-core/axe.min.js"), "utf8");

const HOSTILE = `<img src=x onerror="document.title='broken'"><script>document.title="broken"</script> \u202Eevil & "quoted"`;

let demo: Demo;
let recipe: Demo["recipe"];
let base: string;
let pageErrors: string[];
const open: Demo["open"] = (...options) => demo.open(...options);
const enter: Demo["enter"] = (...options) => demo.enter(...options);

beforeAll(async () => {
  demo = await startDemo();
  ({ recipe, base, pageErrors } = demo);
});

afterEach(async () => {
  await demo.closeTabs();
  expect(pageErrors.splice(0)).toEqual([]);
});

afterAll(() => demo?.[Symbol.asyncDispose]());

let rooms = 0;
const newRoom = () => `room-${++rooms}`;

const figure = async (page: Page, id: string) =>
  Number((await page.locator(`#${id}`).innerText()).replaceAll(",", ""));

/** Waits until a number on the page is at least `least`. */
const reaches = (page: Page, id: string, least: number) =>
  page.waitForFunction(
    ([id, least]) => Number(document.getElementById(id)?.textContent?.replaceAll(",", "")) >= least,
    [id, least] as const,
    { timeout: 100_000 },
  );

/** The violations that axe-core calls serious or critical. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations: all } = await (window as never as { axe: typeof import("axe-core") }).axe.run();
    return all
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`),
      );
  });
}

describe("two users in a room", () => {
  test("see each other and each other's messages", async () => {
    const room = newRoom();
    const [ada, bob] = await Promise.all([enter(room, "ada"), enter(room, "bob")]);
    await say(ada, "hello from ada");
    await chatMessage(bob, "hello from ada").waitFor();
    await say(bob, "hello from bob");
    await chatMessage(ada, "hello from bob").waitFor();
    for (const page of [ada, bob]) {
      await page.locator(".person", { hasText: "ada" }).waitFor();
      await page.locator(".person", { hasText: "bob" }).waitFor();
    }
  });

  test("see when another one leaves, by the button or by closing the tab", async () => {
    const room = newRoom();
    const [ada, bob, carol] = [
      await enter(room, "ada"),
      await enter(room, "bob"),
      await enter(room, "carol"),
    ];
    await ada.locator(".person", { hasText: "bob" }).waitFor();
    await ada.locator(".person", { hasText: "carol" }).waitFor();
    await bob.click("#leave");
    await bob.locator("#join").waitFor();
    await carol.close();
    for (const name of ["bob", "carol"]) {
      await ada.locator(".person", { hasText: name }).waitFor({ state: "detached" });
    }
  });

  test("receive nothing of another room", async () => {
    const [room, other] = [newRoom(), newRoom()];
    const [ada, bob] = await Promise.all([enter(room, "ada"), enter(other, "bob")]);
    await say(bob, "in the other room");
    await chatMessage(bob, "in the other room").waitFor();
    await say(ada, "in this room");
    await chatMessage(ada, "in this room").waitFor();
    expect(await chatMessage(ada, "in the other room").count()).toBe(0);
    await reaches(ada, "received", 10);
    expect(await ada.locator(".person").allInnerTexts()).toEqual(["ada"]);
  });
});

describe("the history", () => {
  test("is shown in order after a reload, and to users that join later", async () => {
    const room = newRoom();
    const ada = await enter(room, "ada");
    const words = ["one", "two", "three"];
    for (const word of words) {
      await say(ada, word);
      await chatMessage(ada, word).waitFor();
    }
    await ada.reload();
    await ada.locator(".divider", { hasText: "3 messages" }).waitFor();
    expect(await ada.locator(".message-text").allInnerTexts()).toEqual(words);
    const bob = await enter(room, "bob");
    await bob.locator(".divider", { hasText: "3 messages" }).waitFor();
    expect(await bob.locator(".message-text").allInnerTexts()).toEqual(words);
  });

  test("continues after the server was down", async () => {
    const room = newRoom();
    const ada = await enter(room, "ada");
    await say(ada, "before");
    await chatMessage(ada, "before").waitFor();
    await recipe.stopServer();
    await ada.locator("#state[data-state=waiting]").waitFor();
    await recipe.startServer();
    await ada.locator("#state[data-state=on]").waitFor();
    await say(ada, "after");
    await chatMessage(ada, "after").waitFor();
    expect(await ada.locator(".message-text").allInnerTexts()).toEqual(["before", "after"]);
    // The counts are updated a few times in a second.
    await ada.locator("#disconnects", { hasText: /^1 disconnect$/ }).waitFor();
    // The browser logs that it could not connect.
    pageErrors.splice(0);
  });
});

describe("renewals", () => {
  test("happen in time and by the button, and no message is missed or repeated", async () => {
    const room = newRoom();
    const [ada, bob] = await Promise.all([enter(room, "ada"), enter(room, "bob")]);
    await ada.locator("[name=ttl][value='10']").check({ force: true });
    await reaches(ada, "renewals", 1);
    await ada.click("#renew");
    await reaches(ada, "renewals", 4);
    for (const page of [ada, bob]) {
      expect(await figure(page, "received")).toBeGreaterThan(100);
      expect(await figure(page, "missed")).toBe(0);
      expect(await figure(page, "repeated")).toBe(0);
      expect(await page.locator("#disconnects").innerText()).toBe("0 disconnects");
    }
    expect(await ada.locator(".event-type").allInnerTexts()).not.toContain("disconnected");
  });

  test("show the remaining lifetime of the credential", async () => {
    const began = performance.now();
    const ada = await enter(newRoom(), "ada");
    const left = await figure(ada, "dial-number");
    const passed = (performance.now() - began) / 1000;
    expect(left).toBeLessThanOrEqual(30);
    // The credential's own times are whole seconds.
    expect(left).toBeGreaterThan(28 - passed);
    await ada.waitForFunction(() => Number(document.getElementById("dial-number")?.textContent) <= 25);
    expect(await ada.locator("#dial-unit").innerText()).toBe("s left");
  });
});

test("the permissions are shown, and the denials of the server", async () => {
  const room = newRoom();
  const [ada, bob] = await Promise.all([enter(room, "ada"), enter(room, "bob")]);
  const subjects = await ada.locator("#permissions li").allInnerTexts();
  expect(subjects).toContain(`rooms.${room}.ada.>`);
  expect(subjects).toContain(`rooms.${room}.>`);
  await ada.getByRole("button", { name: "Publish as bob" }).click();
  await ada.getByText(`Denied by the server: publish to rooms.${room}.bob.chat`).waitFor();
  await ada.getByRole("button", { name: "Subscribe to bob" }).click();
  await ada.getByText("Denied by the server: subscribe to users.bob.>").waitFor();
  const events = await ada.locator("#events li").allInnerTexts();
  expect(events.join()).toContain(`denied publish rooms.${room}.bob.chat`);
  await say(ada, "still here");
  await chatMessage(bob, "still here").waitFor();
  expect(await bob.locator(".message-text").allInnerTexts()).toEqual(["still here"]);
});

describe("hostile", () => {
  test("messages are text", async () => {
    const room = newRoom();
    const [ada, bob] = await Promise.all([enter(room, "ada"), enter(room, "bob")]);
    await say(ada, HOSTILE);
    await chatMessage(bob, "onerror").waitFor();
    expect(await chatMessage(bob, "onerror").textContent()).toBe(HOSTILE);
    expect(await bob.locator("#messages img, #messages script").count()).toBe(0);
    expect(await bob.title()).toBe(`${room} · nats-mint demo`);
  });

  test("names are refused with the mint's message, and shown as text", async () => {
    const page = await open(`/?room=lobby&name=${encodeURIComponent(HOSTILE)}`);
    await page.locator("#join-error strong").waitFor();
    expect(await page.locator("#join-error").innerText()).toContain("1 to 64 characters");
    expect(await page.locator("#name").inputValue()).toBe(HOSTILE);
    expect(await page.locator("#name").getAttribute("aria-invalid")).toBe("true");
    expect(await page.locator("#room").getAttribute("aria-invalid")).toBeNull();
    for (const name of ["*", ">", "a.b", "ada lovelace", "ü"]) {
      await page.fill("#name", name);
      await page.press("#name", "Enter");
      await page.locator("#join-error strong").waitFor();
      expect(await page.locator("#room-view").isHidden()).toBe(true);
    }
    // The browser logs the status 422.
    pageErrors.splice(0);
  });
});

test("the keyboard is enough to join, send a message and leave", async () => {
  const page = await open();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("ada");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(newRoom());
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("join-button");
  await page.keyboard.press("Enter");
  await page.locator("#room-view").waitFor();
  await page.keyboard.type("typed blindly");
  await page.keyboard.press("Enter");
  await chatMessage(page, "typed blindly").waitFor();

  const reached = new Set<string>();
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.id ?? ""));
  }
  for (const id of ["renew", "messages", "permissions", "try-say", "try-listen", "theme", "leave"]) {
    expect([...reached]).toContain(id);
  }
  await page.focus("#leave");
  await page.keyboard.press("Enter");
  await page.locator("#join").waitFor();
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("name");
});

describe("without", () => {
  test("the mint the page says so, and joins when it is back", async () => {
    const page = await open("/?room=lobby");
    await page.route("**/creds", (route) => route.abort());
    await page.fill("#name", "ada");
    await page.click("#join-button");
    await page.getByText("The mint does not respond.").waitFor();
    await page.unroute("**/creds");
    await page.click("#join-button");
    await page.locator("#room-view").waitFor();
    pageErrors.splice(0);
  });

  test("NATS the page says so, and what to check", async () => {
    const page = await open("/?room=lobby");
    await recipe.stopServer();
    await page.fill("#name", "ada");
    await page.click("#join-button");
    await page.getByText("NATS cannot be reached").waitFor();
    expect(await page.locator("#join-error").innerText()).toContain(`is ${base} in NATS_WS_ORIGINS?`);
    await recipe.startServer();
    await page.click("#join-button");
    await page.locator("#room-view").waitFor();
    pageErrors.splice(0);
  });

  test("the stream the page says so, and messages are still delivered", async () => {
    const room = newRoom();
    const refuse = async (page: Page) => {
      await page.addInitScript(() => {
        // The server's response if there is no stream.
        const parse = JSON.parse;
        JSON.parse = (text: string) =>
          text.includes('"stream_name":"ROOMS"') && text.includes("consumer_create_response")
            ? { error: { code: 404, description: "stream not found" } }
            : parse(text);
      });
    };
    const [ada, bob] = [await open("/"), await open("/")];
    for (const [page, name] of [
      [ada, "ada"],
      [bob, "bob"],
    ] as const) {
      await refuse(page);
      await page.goto(`${base}/?room=${room}&name=${name}`);
      await page.getByText("new ones are not stored: stream not found.").waitFor();
    }
    await say(ada, "only now");
    await chatMessage(bob, "only now").waitFor();
  });
});

describe("an alert", () => {
  const alert = (page: Page) => page.locator("#chat-error");
  /** The texts of the room's own alert and field right after a message was sent, in the same task. */
  const send = (page: Page, text: string) =>
    page.evaluate((text) => {
      const input = document.getElementById("text") as HTMLInputElement;
      input.value = text;
      input.form?.requestSubmit();
      return [document.getElementById("chat-error")?.textContent, input.value] as const;
    }, text);

  test("says at once that the browser is offline, and goes when the message has arrived", async () => {
    const room = newRoom();
    const [ada, bob] = await Promise.all([enter(room, "ada"), enter(room, "bob")]);
    await reaches(ada, "received", 10);
    await ada.context().setOffline(true);
    expect(await send(ada, "from the tunnel")).toEqual([
      "The connection does not respond. The message is sent as soon as it does.",
      "",
    ]);
    await ada.locator("#state[data-state=waiting]", { hasText: "Not responding" }).waitFor();
    await ada.click("#try-say");
    await ada.getByText("NATS does not respond now. Try again later.").waitFor();
    await ada.context().setOffline(false);
    await chatMessage(bob, "from the tunnel").waitFor();
    await alert(ada).waitFor({ state: "hidden" });
    await ada.locator("#state[data-state=on]", { hasText: "Connected" }).waitFor();
    await ada.locator(".verdict").waitFor({ state: "detached" });
    expect(await ada.locator(".message-text").allInnerTexts()).toEqual(["from the tunnel"]);
    // The browser logs requests that failed meanwhile.
    pageErrors.splice(0);
  });

  test("says at once that there is no connection, keeps the text, and goes when there is one", async () => {
    const ada = await enter(newRoom(), "ada");
    await reaches(ada, "received", 1);
    await recipe.stopServer();
    await ada.locator("#state[data-state=waiting]").waitFor();
    expect(await send(ada, "kept")).toEqual([
      "Not sent: there is no connection to NATS. Send it again when the page is connected.",
      "kept",
    ]);
    await recipe.startServer();
    await alert(ada).waitFor({ state: "hidden" });
    await ada.press("#text", "Enter");
    await chatMessage(ada, "kept").waitFor();
    pageErrors.splice(0);
  });

  test("of one name is not shown under another one", async () => {
    const room = newRoom();
    const ada = await enter(room, "ada");
    await reaches(ada, "received", 1);
    await recipe.stopServer();
    await ada.locator("#state[data-state=waiting]").waitFor();
    await send(ada, "of ada");
    await alert(ada).waitFor();
    await recipe.startServer();
    await ada.click("#leave");
    await ada.fill("#name", "grace");
    await ada.press("#name", "Enter");
    await ada.locator("#where-name", { hasText: "grace" }).waitFor();
    expect(await alert(ada).innerText()).toBe("");
    expect(await ada.locator("#text").inputValue()).toBe("");
    expect(await ada.locator("#renew").getAttribute("aria-disabled")).toBe("false");
    pageErrors.splice(0);
  });

  test("about another user goes when that one has left", async () => {
    const room = newRoom();
    const [ada, bert] = await Promise.all([enter(room, "ada"), enter(room, "bert")]);
    await ada.getByRole("button", { name: "Publish as bert" }).click();
    await ada.getByText(`Denied by the server: publish to rooms.${room}.bert.chat`).waitFor();
    await bert.click("#leave");
    await ada.locator(".verdict").waitFor({ state: "detached" });
    await ada.getByRole("button", { name: "Publish as bob" }).waitFor();
  });

  test("about a name goes when the name is changed", async () => {
    const page = await open("/");
    await page.fill("#name", "*");
    await page.press("#name", "Enter");
    await page.locator("#join-error strong").waitFor();
    await page.fill("#name", "ada");
    await page.locator("#join-error").waitFor({ state: "hidden" });
    expect(await page.locator("#name").getAttribute("aria-invalid")).toBeNull();
    pageErrors.splice(0);
  });
});

test("the users are in the order of their names, and of the numbers in them", async () => {
  const room = newRoom();
  const ada = await enter(room, "user5");
  for (const name of ["user10", "user2", "zoe", "User3", "ada"]) {
    await enter(room, name);
    await ada.locator(".person", { hasText: new RegExp(`^${name}$`) }).waitFor();
  }
  const inOrder = ["ada", "user2", "User3", "user5", "user10", "zoe"];
  expect(await ada.locator(".person").allInnerTexts()).toEqual(inOrder);
});

describe("axe-core finds nothing serious", () => {
  const views = [DESK, PHONE].flatMap((viewport) =>
    (["light", "dark"] as const).map((colorScheme) => ({ viewport, colorScheme, width: viewport.width })),
  );

  test.each(views)("in the form, $colorScheme, $width wide", async ({ viewport, colorScheme }) => {
    const page = await open("/", { viewport, colorScheme });
    expect(await violations(page)).toEqual([]);
    await page.fill("#name", "*");
    await page.press("#name", "Enter");
    await page.locator("#join-error strong").waitFor();
    expect(await violations(page)).toEqual([]);
    pageErrors.splice(0);
  });

  test.each(views)("in the room, $colorScheme, $width wide", async ({ viewport, colorScheme }) => {
    const room = newRoom();
    const bob = await enter(room, "bob");
    await say(bob, "hello");
    const page = await enter(room, "ada", { viewport, colorScheme });
    await say(page, "hello bob");
    await page.locator(".person", { hasText: "bob" }).waitFor();
    await page.click("#try-say");
    await page.locator(".verdict").waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0,
    );
  });
});

test("the theme is that of the machine until one is chosen, and the choice survives a reload", async () => {
  const page = await open("/", { colorScheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await background();
  await page.getByRole("button", { name: "Light theme" }).click();
  const light = await background();
  expect(light).not.toBe(dark);
  await page.reload();
  await page.getByRole("button", { name: "Dark theme" }).waitFor();
  expect(await background()).toBe(light);
});

test("no key and no credential is kept in the browser", async () => {
  const ada = await enter(newRoom(), "ada");
  const kept = await ada.evaluate(async () =>
    JSON.stringify([
      { ...localStorage },
      { ...sessionStorage },
      document.cookie,
      await indexedDB.databases(),
      location.href,
    ]),
  );
  expect(kept).not.toMatch(/eyJ|S[UAO][A-Z2-7]{56}/);
});

test("the mint serves no page without MINT_DEMO_DIR", async () => {
  const [port] = await freePorts(1);
  await using service = runService(
    [process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")],
    {
      PATH: process.env.PATH ?? "",
      MINT_AUTH: "dev",
      MINT_PORT: String(port),
      MINT_KEYS_DIR: recipe.env.KEYS_DIR ?? "",
    },
  );
  await service.waitFor(/mint listens on/);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
});

/** A browser that finds the fonts of its package, in addition to those of this machine. */
async function launchWithFonts(): Promise<Browser> {
  const dirs = [join(dirname(await executablePath()), "fonts"), "/usr/share/fonts"].map(
    (dir) => `<dir>${dir}</dir>`,
  );
  process.env.FONTCONFIG_FILE = join(recipe.dir, "fonts.conf");
  writeFileSync(process.env.FONTCONFIG_FILE, `<fontconfig>${dirs.join("")}</fontconfig>`);
  try {
    return await launchBrowser();
  } finally {
    delete process.env.FONTCONFIG_FILE;
  }
}

/** Made with DEMO_PICTURE=1, or if it is missing. */
if (process.env.DEMO_PICTURE || !existsSync(picture)) {
  test("the picture in the README", async () => {
    mkdirSync(join(picture, ".."), { recursive: true });
    await using on = await launchWithFonts();
    const grace = await enter("lobby", "grace", { on });
    await say(grace, "Is anyone here yet?");
    await say(grace, "I’ll leave this tab open. Its credential is valid for thirty seconds.");
    await chatMessage(grace, "thirty seconds").waitFor();
    const ada = await enter("lobby", "ada", { on, colorScheme: "light", deviceScaleFactor: 1.5 });
    await ada.evaluate(() => {
      document.documentElement.style.setProperty("--sans", "'Open Sans', 'DejaVu Sans', sans-serif");
      document.documentElement.style.setProperty("--mono", "'DejaVu Sans Mono', monospace");
    });
    await ada.locator("[name=ttl][value='10']").check({ force: true });
    await ada.click("#try-listen");
    const talk: [Page, string][] = [
      [ada, "Here. Mine is renewed while I type, and nothing is lost."],
      [grace, "How do you know?"],
      [ada, "Every tab sends ten numbered messages a second. See the counter."],
    ];
    for (const [page, text] of talk) {
      await say(page, text);
      await chatMessage(ada, text).waitFor();
    }
    await reaches(ada, "received", 1260);
    await ada.click("#try-say");
    await ada.locator(".verdict", { hasText: "grace.chat" }).waitFor();
    await ada.locator("[name=ttl][value='30']").check({ force: true });
    await ada.waitForFunction(() => document.getElementById("dial-number")?.textContent === "24");
    await ada.screenshot({ path: picture });
  }, 120_000);
}
