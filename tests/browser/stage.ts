import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { createMint, type Mint } from "../../src/core/mint.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createApp } from "../../src/http/app.ts";
import { devAuthentication } from "../../src/http/dev.ts";
import { type Client, logIn, plainUser } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { startRecipe } from "../recipe/recipe.ts";
import { launchBrowser } from "./chromium.ts";
import { makeProxy, type ProxyOptions } from "./proxy.ts";
import { makeSite } from "./site.ts";

/** What these tests play on: the recipe, up, with a role for the page; a browser; and, for each test, a scene. */

/** The page's own subjects, and JetStream. */
export const PAGE_ROLE = {
  pub: {
    allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>"],
  },
  sub: { allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>"] },
  connection_types: ["WEBSOCKET"],
};

const BACKEND = { pub: { allow: [">"] }, sub: { allow: [">"] } };

export type Stage = Awaited<ReturnType<typeof makeStage>>;
export type Scene = Awaited<ReturnType<Stage["scene"]>>;

export interface SceneOptions extends Partial<ProxyOptions> {
  /** Another role than `page`. */
  readonly role?: string;
  readonly hostname?: (typeof HOSTNAMES)[number];
  /** Origins of other pages that the mint lets ask. */
  readonly allowedOrigins?: readonly string[];
}

/** Scenes that one stage has room for. */
const SCENES = 50;
/** Where pages are: one is secure, as a browser sees it, and one is not. */
const HOSTNAMES = ["localhost", "page.test"] as const;

let users = 0;

export async function makeStage() {
  // Each scene has an origin of its own, which the server lets in.
  const ports = await freePorts(SCENES);
  const origins = ports.flatMap((port) => HOSTNAMES.map((name) => `http://${name}:${port}`));
  const [browser, recipe] = await Promise.all([
    launchBrowser(),
    startRecipe({ NATS_WS_ORIGINS: JSON.stringify(origins) }, { page: PAGE_ROLE }),
  ]);
  let mint: Mint;
  const readMint = async () => {
    mint = createMint((await readKeys(recipe.env.KEYS_DIR ?? "")).mint);
  };
  await readMint();
  const login = await plainUser(recipe, BACKEND);
  const backends: Client[] = [];
  const servers = [...login.servers];

  const stage = {
    recipe,
    browser,
    /** Reads the exported keys anew. */
    readMint,

    /** Where the backends connect to, in turn. */
    servers,

    /** A connection of the account that may do anything. */
    async backend(): Promise<NatsConnection> {
      const backend = await logIn(login, servers[backends.length % servers.length]);
      backends.push(backend);
      return backend.nc;
    },

    /** A user, with a page, a mint and a way to the server of their own. */
    async scene({ role = "page", hostname = "localhost", allowedOrigins = [], ...way }: SceneOptions = {}) {
      const user = `u${++users}`;
      const proxy = await makeProxy({ targets: [recipe.ports.webSocket], ...way });
      const app = createApp({
        mint: () => mint,
        ...devAuthentication({ defaultRole: role, hosts: [hostname] }),
        servers: { tcp: [], websocket: [proxy.url] },
        allowedOrigins,
        // Pages here renew far more often than a limit allows.
        rateLimit: "off",
      });
      const site = await makeSite(app, hostname, ports.pop() as number);
      const tab = await browser.newContext();
      const scene = {
        user,
        proxy,
        site,
        context: tab,
        address: `${site.origin}/?user=${user}`,
        /** A subject of the user. */
        subject: (name: string) => `users.${user}.${name}`,
        /** The page, loaded; nothing has been done on it yet. */
        async open(prepare: (page: Page) => Promise<unknown> = async () => {}): Promise<Page> {
          const page = await tab.newPage();
          page.on("pageerror", (error) => console.error("on the page:", error));
          await prepare(page);
          await page.goto(scene.address);
          return page;
        },
        async [Symbol.asyncDispose](): Promise<void> {
          await tab.close();
          await Promise.all([proxy[Symbol.asyncDispose](), site[Symbol.asyncDispose]()]);
        },
      };
      return scene;
    },

    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(backends.map((backend) => backend.close()));
      await browser.close();
      await recipe[Symbol.asyncDispose]();
    },
  };
  return stage;
}
