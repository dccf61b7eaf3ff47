import { expect, test } from "bun:test";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import { createApiKey } from "../core/api-key/key.ts";
import { HIDDEN, redact } from "./redact.ts";

const withoutSecrets = (line: string) => redact([line]);
const ofAudit = (line: string) => redact([{ audit: line }]);

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

test("out of an audit line goes what is a secret, wherever it stands, and what else is in it stays", () => {
  const secrets = [
    ...[createOperator(), createAccount(), createUser()].map(seedOf),
    createApiKey().key,
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
  ];
  for (const secret of secrets) {
    for (const subject of [
      secret,
      `x${secret}`,
      `SAAA${secret}`,
      `eyJ${secret}`,
      `eyJ.x${secret}`,
      `mint_aaaaaaaa_${"a".repeat(56)}${secret}`,
      `${secret}~`,
      `a ${secret} b ${secret}`,
    ]) {
      const line = ofAudit(JSON.stringify({ subject, user: "mint_a_0123456789abcdef" }));
      expect(line).not.toContain(secret);
      expect(JSON.parse(line)).toEqual({
        subject: expect.stringContaining(HIDDEN),
        user: "mint_a_0123456789abcdef",
      });
    }
  }
});

test("a name in an audit line that only looks like a secret is written as it is, beside a line that isn't", () => {
  const [seed, { key }] = [seedOf(createUser()), createApiKey()];
  const names = [
    "mint_a_0123456789abcdef",
    "mint_abc_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    `SU${"A".repeat(56)}`,
    `${seed.slice(0, -1)}${seed.endsWith("A") ? "B" : "A"}`,
    `${key.slice(0, -1)}${key.endsWith("a") ? "b" : "a"}`,
    "eyJalice.smith-and-co",
    "eyJhbGciOiJSUzI1NiJ9",
  ];
  for (const subject of names) {
    const line = `${JSON.stringify({ subject, user: subject, tags: { room: subject } })}\n`;
    expect(ofAudit(line)).toBe(line);
    expect(redact([`${seed}\n`, { audit: line }, `${key}\n`])).toBe(`${HIDDEN}\n${line}${HIDDEN}\n`);
  }
});
