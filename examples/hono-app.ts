/**
 * The mint inside an application with its own login. Run `npm start`, then `npx bun examples/hono-app.ts`, or
 * set MINT_KEYS_DIR to the directory of exported keys. In your own code, import from "nats-mint".
 */
import { Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { parse } from "hono/utils/cookie";
import { createApp, MintError, parseSubjectToken, watchKeys } from "../src/index.ts";

const sessions = new Map<string, { user: string; expiresAt: number }>();

const app = new Hono();
app.onError((error, c) =>
  error instanceof MintError ? c.text(`${error.message}\n`, 422) : c.text("internal error\n", 500),
);

// The application's own login. This example checks no password.
app.post("/login", async (c) => {
  const { user } = await c.req.parseBody();
  const id = crypto.randomUUID();
  sessions.set(id, { user: parseSubjectToken(user), expiresAt: Date.now() / 1000 + 3600 });
  setCookie(c, "session", id, { httpOnly: true, sameSite: "Strict" });
  return c.text("logged in\n");
});
app.get("/", (c) => c.text(sessions.get(getCookie(c, "session") ?? "")?.user ?? "not logged in"));

// POST /nats/creds for logged-in users.
const keys = await watchKeys(process.env.MINT_KEYS_DIR ?? ".data/keys");
app.route(
  "/nats",
  createApp({
    mint: keys.mint,
    authenticate: (request) => {
      const session = sessions.get(parse(request.headers.get("cookie") ?? "").session ?? "");
      return session
        ? { issuer: "my-app", subject: session.user, claims: {}, expiresAt: session.expiresAt }
        : null;
    },
    grant: ({ subject }) => ({ role: "browser", user: parseSubjectToken(subject) }),
    servers: { websocket: ["ws://127.0.0.1:9222"], tcp: [] },
    // The login is a cookie, so a 401 must not request a Bearer token.
    bearerChallenge: false,
  }),
);

export default app;
