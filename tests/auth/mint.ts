import type { Hono } from "hono";
import { type JwtAuthentication, type JwtOptions, jwtAuthentication } from "../../src/auth/jwt/verifier.ts";
import type { Decision } from "../../src/core/decision.ts";
import { createMint } from "../../src/core/mint.ts";
import { makeAccount } from "../../src/core/roles/account.fixture.ts";
import { parseSubjectToken } from "../../src/core/subject-token.ts";
import { createApp } from "../../src/http/app.ts";

/** The mint as an app that accepts OpenID tokens and nothing else. */
export interface OidcMint {
  readonly app: Hono;
  readonly auth: JwtAuthentication;
  readonly clock: Clock;
  readonly decisions: Decision[];
  readonly warnings: string[];
  /** Unexpected errors. */
  readonly errors: unknown[];
  /** Requests a credential with `Authorization: Bearer …`. */
  requestCreds(token: string): Promise<MintResponse>;
}

export interface MintResponse {
  readonly status: number;
  /** `granted`, or the code of the problem and, for 401, the reason. */
  readonly outcome: string;
  readonly retryAfter: string | null;
  readonly text: string;
  readonly expiresAt: number;
  readonly user: string;
}

/** A clock that a test can set. */
export interface Clock {
  readonly now: () => number;
  /** Seconds. */
  advance(seconds: number): void;
  /** Stops the clock. */
  stop(): void;
}

export const ROLE_TTL = 900;

const account = await makeAccount();

export function oidcMint(options: Omit<JwtOptions, "now" | "onWarning">): OidcMint {
  const clock = makeClock();
  const decisions: Decision[] = [];
  const warnings: string[] = [];
  const errors: unknown[] = [];
  const seed = account.seeds.browser as string;
  const mint = createMint({
    accountJwt: account.accountJwt,
    roles: { browser: { seed, ttl: ROLE_TTL } },
    now: clock.now,
  });
  const auth = jwtAuthentication({ ...options, now: clock.now, onWarning: (text) => warnings.push(text) });
  const app = createApp({
    mint,
    authenticateToken: auth.authenticateToken,
    grant: () => ({ role: "browser", user: parseSubjectToken("alice") }),
    servers: { websocket: [], tcp: [] },
    // Only the outcomes of authentication are tested here.
    rateLimit: "off",
    overload: "off",
    onDecision: (decision) => decisions.push(decision),
    onError: (error) => errors.push(error),
  });
  return {
    app,
    auth,
    clock,
    decisions,
    warnings,
    errors,
    async requestCreds(token) {
      const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
      return readResponse(await app.request("/creds", { method: "POST", headers, body: "{}" }), decisions);
    },
  };
}

/** Reads a response together with the decision that was reported for it. */
export async function readResponse(
  response: Response,
  decisions: readonly Decision[],
): Promise<MintResponse> {
  const text = await response.text();
  const { expires_at, user } = JSON.parse(text);
  const id = response.headers.get("X-Request-Id");
  const decision = decisions.find(({ requestId }) => requestId === id);
  return {
    status: response.status,
    outcome: [decision?.code, decision?.reason].filter(Boolean).join(": "),
    retryAfter: response.headers.get("Retry-After"),
    text,
    expiresAt: expires_at,
    user,
  };
}

function makeClock(): Clock {
  let ahead = 0;
  let stopped: number | undefined;
  return {
    now: () => (stopped ?? Date.now()) + ahead,
    advance(seconds) {
      ahead += seconds * 1000;
    },
    stop() {
      stopped = Date.now();
    },
  };
}
