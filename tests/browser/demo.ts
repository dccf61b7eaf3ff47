import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { buildDemo } from "../../demo/build.ts";
import { freePorts } from "../ports.ts";
import { startRecipe } from "../recipe/recipe.ts";
import { launchBrowser } from "./chromium.ts";

/** The demo page with the recipe, the mint as a process, and tabs of a browser. */

export const projectDir = join(import.meta.dirname, "../..");

export const DESK = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export interface OpenOptions extends BrowserContextOptions {
  /** Another browser. */
  readonly on?: Browser;
}

export type Demo = Awaited<ReturnType<typeof startDemo>>;

export async function startDemo() {
  const [port = 0] = await freePorts(1);
  const base = `http://127.0.0.1:${port}`;
  const recipe = await startRecipe({ MINT_PORT: String(port), NATS_WS_ORIGINS: JSON.stringify([base]) });
  const demoDir = join(recipe.dir, "demo");
  const [browser] = await Promise.all([launchBrowser(), buildDemo(demoDir)]);
  const mint = Bun.spawn([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
    env: { ...recipe.env, MINT_DEMO_DIR: demoDir },
    stdio: ["ignore", "ignore", "ignore"],
  });
  while (!(await fetch(`${base}/readyz`).catch(() => undefined))?.ok) await Bun.sleep(10);
  /** Errors and warnings of all pages; a violation of a Content-Security-Policy is reported on the console too. */
  const pageErrors: string[] = [];

  const demo = {
    base,
    recipe,
    browser,
    pageErrors,

    /** Opens a tab with a browser context of its own. */
    async open(address = "/", { on = browser, ...options }: OpenOptions = {}): Promise<Page> {
      const context = await on.newContext({ viewport: DESK, ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) pageErrors.push(message.text());
      });
      page.on("pageerror", (error) => pageErrors.push(String(error)));
      await page.goto(base + address);
      return page;
    },

    /** Opens a tab in a room. */
    async enter(room: string, name: string, options?: OpenOptions): Promise<Page> {
      const page = await demo.open(`/?room=${room}&name=${name}`, options);
      await page.locator("#room-view").waitFor();
      return page;
    },

    closeTabs: () => Promise.all(browser.contexts().map((context) => context.close())),

    async [Symbol.asyncDispose](): Promise<void> {
      await browser.close();
      mint.kill();
      await mint.exited;
      await recipe[Symbol.asyncDispose]();
    },
  };
  return demo;
}

export async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

export const chatMessage = (page: Page, text: string) => page.locator(".message-text", { hasText: text });
