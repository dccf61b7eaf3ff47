import { expect, test } from "bun:test";
import { parseUserPublicKey } from "../core/keys/nkey.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { makeAccount } from "../core/roles/account.fixture.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { credentials } from "./credential/endpoint.ts";
import { makeUserKey } from "./credential/key.ts";
import { CredentialError, UnauthorizedError } from "./errors.ts";
import type { LiveCredentialsEvent } from "./events.ts";
import { startRenewal } from "./renewal.ts";

const { accountJwt, seeds } = await makeAccount();
const mint: Mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 900 } } });
const HOUR = 3_600_000;

/** A response as the mint's, for this key. */
function respond(publicKey: string) {
  const { jwt, expiresAt, inboxPrefix, permissions } = mint.issue(
    { role: "browser", user: parseSubjectToken("alice") },
    parseUserPublicKey(publicKey),
  );
  return {
    jwt,
    user: "alice",
    role: "browser",
    account: mint.account,
    issued_at: expiresAt - 900,
    expires_at: expiresAt,
    server_time: Date.now(),
    servers: ["ws://127.0.0.1:1"],
    ...(inboxPrefix !== undefined && { inbox_prefix: inboxPrefix }),
    permissions,
  };
}

test.each([
  ["no number that a timer can wait for", Number.POSITIVE_INFINITY],
  ["more milliseconds than a timer can count", 2 ** 31],
  ["not a number", Number.NaN],
])("a mint that asks for a delay of %s is not flooded with requests", async (_, retryAfter) => {
  let requests = 0;
  const events: LiveCredentialsEvent[] = [];
  const source = ({ publicKey }: { publicKey: string }) => {
    if (requests++ > 0) throw new CredentialError("unavailable", "later", { retryAfter });
    return respond(publicKey);
  };
  const renewal = await startRenewal(
    source,
    await makeUserKey(undefined),
    (event) => events.push(event),
    async () => {},
  );
  const refreshed = renewal.refresh();
  while (!events.some(({ type }) => type === "delayed")) await Bun.sleep(1);
  await Bun.sleep(50);
  renewal.close();
  await expect(refreshed).rejects.toThrow("closed");
  expect(requests).toBe(2);
  const delays = events.flatMap((event) => (event.type === "delayed" ? [event.delay] : []));
  expect(delays).toEqual([expect.any(Number)]);
  expect(delays[0]).toBeGreaterThan(50);
  expect(delays[0]).toBeLessThanOrEqual(HOUR);
});

test.each(["null", "1", '"no"', "[]", "{}", "<html>", ""])(
  "a 403 whose body is %p is final",
  async (body) => {
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(body, { status: 403 }),
    });
    const source = credentials({ url: server.url });
    const { signal } = new AbortController();
    await expect(source({ publicKey: "U", signal })).rejects.toThrow(UnauthorizedError);
  },
);
