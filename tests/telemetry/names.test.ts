import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Service, start } from "../edge/service.ts";

/** The audit line has the name for which a credential was issued, even when the name looks like a secret. */

let service: Service;
beforeAll(async () => {
  service = await start();
});
afterAll(() => service[Symbol.asyncDispose]());

const NAMES = [
  "mint_a_0123456789abcdef",
  "mint_key1_Zk9Zk9Zk9Zk9Zk9Zk9Zk9Zk9",
  `mint_${"a".repeat(8)}_${"b".repeat(50)}`,
  `SU${"A".repeat(56)}`,
  `SA${"2".repeat(56)}AAAA`,
  "eyJhbGciOiJSUzI1NiJ9",
];

for (const name of NAMES) {
  test(name, async () => {
    const response = await fetch(`http://127.0.0.1:${service.port}/creds`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: name, tags: { room: name, mint_a_0123456789abcdef: "x" } }),
    });
    expect(response.status).toBe(200);
    const id = response.headers.get("X-Request-Id");
    await service.waitFor(new RegExp(`"request_id":"${id}".*\n`));
    const line = service.output().match(new RegExp(`^.*"request_id":"${id}".*$`, "m"))?.[0] ?? "";
    expect(JSON.parse(line)).toMatchObject({
      issuer: "dev",
      subject: name,
      user: name,
      tags: { room: name, mint_a_0123456789abcdef: "x" },
    });
  });
}
