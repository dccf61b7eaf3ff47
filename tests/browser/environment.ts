import { afterAll, beforeAll } from "bun:test";
import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { createMint, type Mint } from "../../src/core/mint.ts";
import { devIdentity } from "../../src/core/policy/dev.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createApp } from "../../src/http/app.ts";
import { devAuthentication } from "../../src/http/dev.ts";
import { type Client, logIn, plainUser } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { startRecipe } from "../recipe/recipe.ts";
import { launchBrowser } from "./chromium.ts";
import { makeProxy, type ProxyOptions } from "./proxy.ts";
import { makeSite } from "./site.ts";

/** What the tests of this folder run in: the recipe with a role for pages, a browser, and for each test users of its own. */

/** The user's own subjects, and JetStream. */
export const PAGE_ROLE = {
  pub: {
    allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>"],
  },
  sub: { allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>"] },
  connection_types: ["WEBSOCKET"],
};

const BACKEND = { pub: { allow: [">"] }, sub: { allow: [">"] } };

type MadeEnvironment = Awaited<ReturnType<typeof makeEnvironment>>;
/** What tests use of it. */
export type Environment = Omit<MadeEnvironment, typeof Symbol.asyncDispose>;
export type User = Awaited<ReturnType<Environment["user"]>>;

export interface UserOptions extends Partial<ProxyOptions> {
  /** The role of the credentials; `page` by default. */
  readonly role?: string;
  readonly hostname?: (typeof HOSTNAMES)[number];
  /** Origins of other pages that may read the mint's responses. */
  readonly allowedOrigins?: readonly string[];
}

/** How many users one environment has room for. */
const MAX_USERS = 50;
/** The host names of pages: a secure context for browsers, and one that is not. */
const HOSTNAMES = ["localhost", "page.test"] as const;

let userCount = 0;

async function makeEnvironment() {
  // Each user's page has an origin of its own, which the server accepts.
  const ports = await freePorts(MAX_USERS);
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

  const environment = {
    recipe,
    browser,
    /** Reads the exported keys again, after they have changed. */
    readMint,

    /** The servers that backends connect to, in turn. */
    servers,

    /** A connection to the account with all permissions. */
    async backend(): Promise<NatsConnection> {
      const backend = await logIn(login, servers[backends.length % servers.length]);
      backends.push(backend);
      return backend.nc;
    },

    /** A user with a page, and with a mint and a proxy to the server of its own. */
    async user({ role = "page", hostname = "localhost", allowedOrigins = [], ...options }: UserOptions = {}) {
      const name = `u${++userCount}`;
      const proxy = await makeProxy({ targets: [recipe.ports.webSocket], ...options });
      const app = createApp({
        mint: () => mint,
        ...devAuthentication({ defaultRole: role, hosts: [hostname] }),
        // A token is its end, in seconds since the epoch.
        authenticateToken: (token, requested) => ({ ...devIdentity(requested), expiresAt: Number(token) }),
        servers: { tcp: [], websocket: [proxy.url] },
        allowedOrigins,
        // These pages renew far more often than a limit allows.
        rateLimit: "off",
      });
      const site = await makeSite(app, hostname, ports.pop() as number);
      const context = await browser.newContext();
      const address = `${site.origin}/?user=${name}`;
      return {
        name,
        proxy,
        site,
        context,
        address,
        /** A subject of the user. */
        subject: (suffix: string) => `users.${name}.${suffix}`,
        /** Loads the page. `prepare` is called before that. */
        async open(prepare: (page: Page) => Promise<unknown> = async () => {}): Promise<Page> {
          const page = await context.newPage();
          page.on("pageerror", (error) => console.error("on the page:", error));
          await prepare(page);
          await page.goto(address);
          return page;
        },
        async [Symbol.asyncDispose](): Promise<void> {
          await context.close();
          await Promise.all([proxy[Symbol.asyncDispose](), site[Symbol.asyncDispose]()]);
        },
      };
    },

    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(backends.map((backend) => backend.close()));
      await browser.close();
      await recipe[Symbol.asyncDispose]();
    },
  };
  return environment;
}

/**
 * The environment of a test file, made before its tests and removed after them. Its properties can be read in the tests and
 * in later hooks.
 */
export function useEnvironment(): Environment {
  let made: MadeEnvironment;
  beforeAll(async () => {
    made = await makeEnvironment();
  });
  afterAll(() => made?.[Symbol.asyncDispose]());
  return {
    get recipe() {
      return made.recipe;
    },
    get browser() {
      return made.browser;
    },
    get servers() {
      return made.servers;
    },
    readMint: () => made.readMint(),
    backend: () => made.backend(),
    user: (options) => made.user(options),
  };
}
