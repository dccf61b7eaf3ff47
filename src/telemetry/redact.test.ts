import { expect, test } from "bun:test";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import { HIDDEN, withoutSecrets } from "./redact.ts";

const seedOf = (pair: { getSeed(): Uint8Array }) => new TextDecoder().decode(pair.getSeed());

test("seeds, JWTs and API keys don't get through, wherever they stand in a line", () => {
  const secrets = [
    ...[createOperator(), createAccount(), createUser()].map(seedOf),
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
    `mint_abc_${"x".repeat(43)}`,
  ];
  for (const secret of secrets) {
    for (const line of [secret, `{"a":"${secret}"}`, `x${secret}y`, `Bearer ${secret}\\n`]) {
      expect(withoutSecrets(line)).not.toContain(secret);
      expect(withoutSecrets(line)).toContain(HIDDEN);
    }
  }
});

test("public keys and what else is logged get through as they are", () => {
  const line = JSON.stringify({
    public_key: createUser().getPublicKey(),
    account: createAccount().getPublicKey(),
    jti: "LD3DBAQ5N3FHDVE3M2SIEBKWGHQ2TNMWO6Y5YCQ3XTDLF4VCLQJQ",
    request_id: crypto.randomUUID(),
    subject: "mint_key-1 Zoë 東京",
    address: "2001:db8::1",
  });
  expect(withoutSecrets(line)).toBe(line);
});

test("names in which such letters occur stay readable, and the line stays JSON", () => {
  for (const subject of ["\x1eyJabcdefgh", "harveyJohnston-x", "S".padEnd(80, "A"), "\x0eyJabcdefgh.x"]) {
    const line = JSON.stringify({ subject });
    expect(JSON.parse(withoutSecrets(line)).subject).toBe(subject);
  }
});

test("nothing that a terminal would obey is left, and the text stays the same", () => {
  const text = "a\u009b31mb\u202ec\u2028d\u007fe";
  const line = withoutSecrets(JSON.stringify({ text }));
  expect(line).toMatch(/^[ -~]*$/);
  expect(JSON.parse(line).text).toBe(text);
});
