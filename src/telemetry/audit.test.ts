import { describe, expect, test } from "bun:test";
import type { Decision } from "../core/decision.ts";
import { createAudit } from "./audit.ts";

const GRANTED: Decision = {
  outcome: "granted",
  code: "granted",
  status: 200,
  requestId: "4a1b",
  address: "192.0.2.1",
  method: "oidc",
  issuer: "https://login.example.com",
  subject: "alice",
  credential: {
    account: "AABC",
    role: "room",
    user: "alice",
    tags: { room: "lobby" },
    publicKey: "UABC",
    jti: "JTI",
    expiresAt: 1_795_350_900,
  },
  duration: 1.23456,
  mintDuration: 0.05,
};
const REFUSED: Decision = {
  outcome: "refused",
  code: "unauthorized",
  reason: "expired",
  status: 401,
  requestId: "4a1c",
  address: "192.0.2.1",
  duration: 0.5,
};

/** An audit with a clock that is set by hand, and the lines that it wrote. */
function makeAudit() {
  const lines: Record<string, unknown>[] = [];
  const clock = { now: 0 };
  const { audit, close } = createAudit({ info: (line) => lines.push(line as never) }, () => clock.now);
  return { lines, clock, audit, close, of: (kind: string) => lines.filter(({ audit: is }) => is === kind) };
}

describe("a decision's line", () => {
  test("of a granted credential has the caller, the address, the credential and its expiry", () => {
    const { audit, lines } = makeAudit();
    audit(GRANTED);
    expect(lines).toEqual([
      {
        audit: "granted",
        request_id: "4a1b",
        address: "192.0.2.1",
        method: "oidc",
        issuer: "https://login.example.com",
        subject: "alice",
        account: "AABC",
        role: "room",
        user: "alice",
        tags: { room: "lobby" },
        public_key: "UABC",
        jti: "JTI",
        expires_at: 1_795_350_900,
        milliseconds: 1.235,
      },
    ]);
  });

  test("of a refused request has the address and the reason", () => {
    const { audit, lines } = makeAudit();
    audit(REFUSED);
    expect(lines).toEqual([
      {
        audit: "refused",
        code: "unauthorized",
        reason: "expired",
        status: 401,
        request_id: "4a1c",
        address: "192.0.2.1",
        milliseconds: 0.5,
      },
    ]);
  });

  test("has no other fields, whatever the decision contains", () => {
    const { audit, lines } = makeAudit();
    const credential = { ...GRANTED.credential, jwt: "a jwt", seed: "a seed" } as never;
    audit({ ...GRANTED, credential, token: "a token", identity: { claims: { token: "a token" } } } as never);
    expect(JSON.stringify(lines)).not.toMatch(/a jwt|a seed|a token/);
  });

  test("is short, however long its texts are", () => {
    const { audit, lines } = makeAudit();
    const long = "x".repeat(100_000);
    audit({ ...GRANTED, issuer: long, subject: long, requestId: long, address: long });
    expect(JSON.stringify(lines).length).toBeLessThan(2000);
  });
});

describe("a flood", () => {
  const flood = (audit: (decision: Decision) => void, count: number, address: (i: number) => string) => {
    for (let i = 0; i < count; i++) audit({ ...REFUSED, code: "rate_limited", address: address(i) });
  };

  test("of refused requests from one address has a few lines, and the others are counted", () => {
    const { audit, close, of, lines } = makeAudit();
    flood(audit, 10_000, () => "192.0.2.66");
    expect(of("refused")).toHaveLength(20);
    close();
    expect(lines.at(-1)).toEqual({ audit: "omitted", codes: { rate_limited: 9980 }, seconds: 0 });
  });

  test("does not use the lines of other addresses", () => {
    const { audit, lines } = makeAudit();
    flood(audit, 10_000, () => "192.0.2.66");
    audit({ ...REFUSED, address: "198.51.100.1" });
    expect(lines.at(-1)).toMatchObject({ audit: "refused", address: "198.51.100.1" });
  });

  test("from the addresses of one IPv6 /64 counts as one, and the next /64 has its own lines", () => {
    const { audit, of, lines } = makeAudit();
    flood(audit, 10_000, (i) => `2001:db8:0:1::${i.toString(16)}`);
    expect(of("refused")).toHaveLength(20);
    audit({ ...REFUSED, address: "2001:db8:0:2::1" });
    expect(lines.at(-1)).toMatchObject({ audit: "refused", address: "2001:db8:0:2::1" });
  });

  test("from a million networks has a bounded number of lines", () => {
    const { audit, of } = makeAudit();
    flood(audit, 1_000_000, (i) => `2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`);
    expect(of("refused")).toHaveLength(200);
  });

  test("does not suppress the line of a granted credential", () => {
    const { audit, of } = makeAudit();
    flood(audit, 10_000, () => "192.0.2.1");
    for (let i = 0; i < 1000; i++) audit(GRANTED);
    expect(of("granted")).toHaveLength(1000);
  });

  test("that is over leaves lines for later refusals", () => {
    const { audit, clock, of } = makeAudit();
    flood(audit, 1000, () => "192.0.2.66");
    clock.now += 5000;
    flood(audit, 1000, () => "192.0.2.66");
    expect(of("refused")).toHaveLength(25);
  });

  test("is reported once: reported refusals are not counted again", () => {
    const { audit, close, of } = makeAudit();
    flood(audit, 30, () => "192.0.2.66");
    close();
    close();
    flood(audit, 5, () => "192.0.2.66");
    close();
    expect(of("omitted").map(({ codes }) => codes)).toEqual([{ rate_limited: 10 }, { rate_limited: 5 }]);
  });
});
