import { expect, test } from "bun:test";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import { createApiKey } from "../core/api-key/key.ts";
import { HIDDEN, redact } from "./redact.ts";

const withoutSecrets = (line: string) => redact([line]);
const ofAudit = (line: string) => redact([{ audit: line }]);

const seedOf = (pair: { getSeed(): Uint8Array }) => new TextDecoder().decode(pair.getSeed());

test("seeds, JWTs and API keys are removed, at any place in a line", () => {
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

test("public keys, ids and names are not changed", () => {
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

test("names that contain parts of a secret's form stay readable, and the line stays JSON", () => {
  for (const subject of ["\x1eyJabcdefgh", "harveyJohnston-x", "S".padEnd(80, "A"), "\x0eyJabcdefgh.x"]) {
    const line = JSON.stringify({ subject });
    expect(JSON.parse(withoutSecrets(line)).subject).toBe(subject);
  }
});

test("control characters of terminals are escaped, and the parsed text is the same", () => {
  const text = "a\u009b31mb\u202ec\u2028d\u007fe";
  const line = withoutSecrets(JSON.stringify({ text }));
  expect(line).toMatch(/^[ -~]*$/);
  expect(JSON.parse(line).text).toBe(text);
});

test("proven secrets are removed from an audit line, at any place, and the rest of it is not changed", () => {
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

test("a name that only looks like a secret stays in an audit line, also beside lines with secrets", () => {
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
