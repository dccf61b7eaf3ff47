import { describe, expect, test } from "bun:test";
import { UnauthorizedError as TooLate } from "../core/errors.ts";
import { parseUserPublicKey } from "../core/keys/nkey.ts";
import { createMint } from "../core/mint.ts";
import { makeAccount } from "../core/roles/account.fixture.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { TestClock } from "./clock.fixture.ts";
import { credentials, type TokenRequest } from "./credential/endpoint.ts";
import type { LiveCredentialsEvent } from "./events.ts";
import { type LiveCredentials, liveCredentials } from "./live-credentials.ts";
import type { PlainWebSocket } from "./transport/link.ts";
import type { ClientSocket } from "./transport/socket.ts";

/**
 * Pages whose access tokens come from a cache, as those of login libraries: it returns the same token until that has only
 * some seconds to live. Time is simulated; the mint's decisions and the whole browser module are real.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PAGES = 40;
/** Minutes that a simulation takes. */
const MINUTES = 20;
/** Milliseconds that a message takes. */
const LATENCY = 20;

const { accountJwt, seeds } = await makeAccount();

/** A token is its `exp`, in seconds since the epoch. */
type Token = string;

interface Cache {
  token(request: TokenRequest): Promise<Token>;
}

/** What happened on one page. */
interface Page {
  readonly events: LiveCredentialsEvent[];
  /** How many milliseconds the old credential had left at each renewal. */
  readonly left: number[];
  requests: number;
  refused: number;
  /** How many tokens the issuer has issued. */
  tokens: number;
  lost: number;
  /** The error by which the client has ended, or by which it never began. */
  dead?: Error;
}

interface WorldOptions {
  /** Seconds that a token is valid. */
  readonly lifetime?: number;
  /** Whether the mint's problem document says that a token has expired, or expires too soon. */
  readonly hasCodes?: boolean;
}

class World implements Disposable {
  readonly #lifetime: number;
  readonly #hasCodes: boolean;
  readonly clock = new TestClock();
  readonly #mint = createMint({
    accountJwt,
    roles: { browser: { seed: seeds.browser ?? "", ttl: 900 } },
    now: () => this.clock.now,
  });
  readonly #installed = this.clock.install();
  readonly #fetch = globalThis.fetch;
  readonly #random = Math.random;
  readonly #opened: LiveCredentials[] = [];
  readonly #pages = new Map<string, Page>();

  constructor({ lifetime = 300, hasCodes = true }: WorldOptions) {
    this.#lifetime = lifetime;
    this.#hasCodes = hasCodes;
    let random = 1;
    Math.random = () => {
      random = (random * 48_271) % 2_147_483_647;
      return random / 2_147_483_647;
    };
    globalThis.fetch = (async (_: string, { headers, body }: { headers: Headers; body: string }) => {
      await this.clock.wait(LATENCY);
      const { user, public_key } = JSON.parse(body);
      const page = this.#pages.get(user) as Page;
      page.requests++;
      const response = this.#respond(headers, user, public_key);
      if (response.status === 401) page.refused++;
      return response;
    }) as unknown as typeof fetch;
  }

  #respond(headers: object, user: string, publicKey: string): Response {
    const { Authorization } = headers as { Authorization: string };
    const expiresBy = Number(Authorization.slice("Bearer ".length));
    const refuse = (code: string) =>
      Response.json({ code: this.#hasCodes ? code : "unauthorized", detail: code }, { status: 401 });
    if (expiresBy * SECOND <= this.clock.now) return refuse("token_expired");
    try {
      const grant = { role: "browser", user: parseSubjectToken(user), expiresBy };
      const { jwt, expiresAt } = this.#mint.issue(grant, parseUserPublicKey(publicKey));
      const servers = ["ws://server"];
      return Response.json({ jwt, expires_at: expiresAt, server_time: this.clock.now, servers });
    } catch (error) {
      if (error instanceof TooLate) return refuse("token_expiring");
      throw error;
    }
  }

  /** Opens a page whose client is connected from now on. */
  async open(name: string, makeCache: (issue: () => Promise<number>) => Cache): Promise<Page> {
    const page: Page = { events: [], left: [], requests: 0, refused: 0, tokens: 0, lost: 0 };
    this.#pages.set(name, page);
    const { token } = makeCache(async () => {
      await this.clock.wait(5 * LATENCY);
      page.tokens++;
      return Math.floor(this.clock.now / SECOND) + this.#lifetime;
    });
    let ends = 0;
    const on = (event: LiveCredentialsEvent) => {
      page.events.push(event);
      if (event.type === "refreshed") {
        page.left.push(ends - this.clock.now);
        ends = this.clock.now + event.lifetime;
      }
    };
    const source = credentials({ url: "http://mint/creds", user: name, token });
    try {
      const webSocket = () => this.#openSocket();
      const live = await liveCredentials(source, { on, webSocket });
      this.#opened.push(live);
      ends = this.clock.now + live.timeLeft;
      void this.#connect(live, page);
    } catch (error) {
      page.dead = error as Error;
    }
    return page;
  }

  /** A NATS client. */
  async #connect(live: LiveCredentials, page: Page): Promise<void> {
    const { wsFactory, reconnectDelayHandler } = live.connectOptions();
    const { socket } = (await wsFactory("ws://server")) as unknown as { socket: ClientSocket };
    socket.onmessage = ({ data }) => {
      if (Buffer.from(data).toString().startsWith("INFO")) socket.send(Buffer.from("CONNECT {}\r\nPING\r\n"));
    };
    socket.onclose = async () => {
      page.lost++;
      try {
        await this.clock.wait(reconnectDelayHandler());
      } catch (error) {
        page.dead = error as Error;
        return;
      }
      void this.#connect(live, page);
    };
  }

  /** A connection to a server, which closes it when the credential expires. */
  #openSocket(): PlainWebSocket {
    let isOpen = true;
    const bring = async (text: string, delay = LATENCY) => {
      await this.clock.wait(delay);
      if (isOpen) socket.onmessage?.({ data: Buffer.from(text).buffer });
    };
    const expire = async (delay: number) => {
      await this.clock.wait(delay);
      if (isOpen) socket.onmessage?.({ data: Buffer.from("-ERR 'User Authentication Expired'\r\n").buffer });
      if (isOpen) socket.onclose?.({});
    };
    const socket: PlainWebSocket = {
      binaryType: "blob",
      onmessage: null,
      onclose: null,
      onerror: null,
      send(data) {
        for (const line of Buffer.from(data as Uint8Array)
          .toString()
          .split("\r\n")) {
          if (line === "PING") void bring("PONG\r\n", 2 * LATENCY);
          if (!line.startsWith("CONNECT")) continue;
          const { exp } = JSON.parse(atob(JSON.parse(line.slice(7)).jwt.split(".")[1]));
          void expire(exp * SECOND - now());
        }
      },
      close() {
        isOpen = false;
      },
    };
    const now = () => this.clock.now;
    void bring('INFO {"server_id":"S","nonce":"n"}\r\n');
    return socket;
  }

  [Symbol.dispose](): void {
    for (const live of this.#opened) live.close();
    globalThis.fetch = this.#fetch;
    Math.random = this.#random;
    this.#installed[Symbol.dispose]();
  }
}

/** @param exp when the first token expires, in seconds since the epoch */
type MakeCache = (clock: TestClock, exp: number) => (issue: () => Promise<number>) => Cache;

/**
 * A cache that gets a new token when it is asked and the present one has less than `margin` seconds to live.
 * @param minds whether it does so too when a fresh one is wanted
 */
const cacheUntil =
  (margin: number, minds: boolean): MakeCache =>
  (clock, exp) =>
  (issue) => {
    return {
      async token({ fresh }) {
        if ((fresh && minds) || exp - clock.now / SECOND < margin) exp = await issue();
        return `${exp}`;
      },
    };
  };

/** A cache that gets a new token by a timer, `margin` seconds before the present one expires. */
const cacheByTimer =
  (margin: number): MakeCache =>
  (clock, exp) =>
  (issue) => {
    const renew = async () => {
      await clock.wait(Math.max(0, (exp - margin) * SECOND - clock.now));
      exp = await issue();
      void renew();
    };
    void renew();
    return { token: async () => `${exp}` };
  };

interface Simulation extends WorldOptions {
  /** How long it takes. */
  readonly minutes?: number;
}

/** Forty pages, whose first tokens are of every age. */
async function simulate(makeCache: MakeCache, options: Simulation = {}): Promise<Page[]> {
  const { minutes = MINUTES, lifetime = 300 } = options;
  using world = new World(options);
  const now = Math.floor(world.clock.now / SECOND);
  const opening = Array.from({ length: PAGES }, (_, index) =>
    world.open(`u${index}`, makeCache(world.clock, now + lifetime * (1 - index / PAGES))),
  );
  await world.clock.advance(MINUTE * minutes);
  return Promise.all(opening);
}

const sum = (pages: readonly Page[], count: (page: Page) => number) =>
  pages.reduce((all, page) => all + count(page), 0);

/** A count for each page and each token. */
const perToken = (pages: readonly Page[], count: (page: Page) => number) =>
  sum(pages, count) / sum(pages, ({ tokens }) => tokens);

function expectConnected(pages: readonly Page[]): void {
  expect(pages.flatMap(({ dead }) => dead ?? [])).toEqual([]);
  expect(sum(pages, ({ lost }) => lost)).toBe(0);
  expect(pages.flatMap(({ events }) => events.filter(({ type }) => type === "unauthorized"))).toEqual([]);
  // Every renewal was over before the old credential expired.
  expect(Math.min(...pages.flatMap(({ left }) => left))).toBeGreaterThan(SECOND);
}

const CACHES = [
  [300, 0],
  [300, 5],
  [300, 10],
  [300, 30],
  [300, 60],
  [300, 120],
  [60, 10],
  [60, 5],
  [1800, 300],
] as const;

describe.each([...CACHES])(
  "pages whose tokens of %d s are renewed when less than %d s are left",
  (lifetime, margin) => {
    test("or a fresh one is wanted stay connected, with one renewal for each token", async () => {
      const pages = await simulate(cacheUntil(margin, true), { lifetime });
      expectConnected(pages);
      if (lifetime === 300) expect(perToken(pages, ({ left }) => left.length)).toBeLessThan(1.1);
      expect(sum(pages, ({ tokens }) => tokens) / PAGES).toBeLessThan((1.6 * MINUTES * 60) / lifetime);
    });

    test("and not sooner stay connected", async () => {
      const pages = await simulate(cacheUntil(margin, false), { lifetime });
      // A cache that keeps a token until its end has no next one while the credential lasts.
      if (margin > 0) expectConnected(pages);
      expect(pages.flatMap(({ dead }) => dead ?? [])).toEqual([]);
      expect(perToken(pages, ({ lost }) => lost)).toBeLessThan(1.1);
      expect(perToken(pages, ({ requests }) => requests)).toBeLessThan(margin > 0 ? 9 : 25);
    });
  },
);

test.each([5, 30, 60])(
  "pages whose cache renews tokens by a timer %d s before their end stay connected",
  async (margin) => expectConnected(await simulate(cacheByTimer(margin))),
);

test("a mint that does not say that a token has expired gets another one", async () => {
  const pages = await simulate(cacheUntil(5, true), { hasCodes: false });
  expectConnected(pages);
  expect(sum(pages, ({ refused }) => refused)).toBeGreaterThan(0);
});

test("a page whose first tokens have expired ends at once", async () => {
  const pages = await simulate((clock) => () => ({ token: async () => `${clock.now / SECOND - 1}` }), {
    minutes: 1,
  });
  expect(pages.map(({ dead }) => dead?.name)).toEqual(pages.map(() => "UnauthorizedError"));
  for (const { requests } of pages) expect(requests).toBe(2);
});

test("a page whose cache gets no new token ends when its credential does, and not before", async () => {
  const pages = await simulate(
    (clock) => () => {
      const exp = clock.now / SECOND + 120;
      return { token: async () => `${exp}` };
    },
    { minutes: 3 },
  );
  for (const { events, lost, dead, requests } of pages) {
    // The second time it was dialing.
    expect([lost, dead?.name]).toEqual([2, "UnauthorizedError"]);
    expect(events.filter(({ type }) => type === "disconnected" || type === "unauthorized")).toMatchObject([
      { type: "disconnected" },
      { type: "unauthorized" },
    ]);
    expect(requests).toBeLessThan(60);
  }
});
