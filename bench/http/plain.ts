import { Hono } from "hono";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { bareJwt } from "../bare.ts";
import { readState } from "../state.ts";

/**
 * The minimum work of a service: with `<state file> <port>` it accepts every name; with `<issuer> <audience>` in addition
 * it verifies an OIDC token each time. Nothing else is checked, limited, counted or logged.
 */

const [, , file = "", port, issuer, audience = ""] = process.argv;
const mint = bareJwt(readState(file));
const keys = issuer && createRemoteJWKSet(new URL(`${issuer}/jwks`));

const app = new Hono();
app.post("/creds", async (c) => {
  const { user, public_key } = await c.req.json();
  if (!keys) return c.json({ jwt: mint(user, public_key) });
  const token = c.req.header("Authorization")?.slice("Bearer ".length) ?? "";
  const { payload } = await jwtVerify(token, keys, { issuer, audience });
  return c.json({ jwt: mint(payload.sub ?? "", public_key) });
});

Bun.serve({ hostname: "127.0.0.1", port: Number(port), development: false, fetch: app.fetch });
