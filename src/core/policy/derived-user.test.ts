import { expect, test } from "bun:test";
import fc from "fast-check";
import { UserNotAllowedError } from "../errors.ts";
import { HOSTILE_NAMES } from "../hostile.fixture.ts";
import { isSubjectToken } from "../subject-token.ts";
import { deriveUser, keepDerivedUser, looksDerived } from "./derived-user.ts";

const name = (issuer: string, subject: string): string => deriveUser({ issuer, subject });

test("a derived name never changes: these were computed by another program", () => {
  expect(name("https://login.example.com", "1234")).toBe("u-gvy5tmq3kb2pcupgywujhfnl6v33gzp5");
  expect(name("https://login.example.com", "zoë|👩")).toBe("u-b27qxsfwzlymteyxta6mt5uhb4ktyfqf");
  expect(name("", "")).toBe("u-v5kxb5nbqefxv54mv5f4octgb4g7khsc");
});

test("issuer and subject are kept apart", () => {
  const pairs = [
    ["ab", "c"],
    ["a", "bc"],
    ["abc", ""],
    ["", "abc"],
    ["a", "b\0c"],
    ["a\0b", "c"],
    ["c", "ab"],
    ["A", "bc"],
    ["a", "bc "],
    ["é", ""],
    ["e\u0301", ""],
  ] as const;
  expect(new Set(pairs.map(([issuer, subject]) => name(issuer, subject))).size).toBe(pairs.length);
});

test("for any subject of an issuer, the name is one subject token of the known form, or there is none", () => {
  for (const subject of HOSTILE_NAMES.filter((text) => text !== "\ud800")) {
    const user = name("https://login.example.com", subject);
    expect(isSubjectToken(user) && looksDerived(user)).toBe(true);
  }
});

test("halves of a surrogate pair, which would all be the same in UTF-8, have no name", () => {
  for (const half of ["\ud800", "\udfff", "a\ud83d", "\ude00\ud83d"]) {
    expect(() => name("https://login.example.com", half)).toThrow(UserNotAllowedError);
    expect(() => name(half, "1234")).toThrow(UserNotAllowedError);
  }
});

test("two that differ in issuer or subject never have the same name", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom("", "a", "b", "ab", "*"),
  );
  fc.assert(
    fc.property(text, text, text, text, (issuer1, subject1, issuer2, subject2) => {
      const same = issuer1 === issuer2 && subject1 === subject2;
      expect(name(issuer1, subject1) === name(issuer2, subject2)).toBe(same);
    }),
    { numRuns: 2000 },
  );
});

test("a name that is kept is the same, and follows no change of its identity", () => {
  const identity = { issuer: "https://login.test", subject: "alice" };
  const frozen = Object.freeze({ ...identity });
  keepDerivedUser(frozen);
  for (let i = 0; i < 3; i++) expect(deriveUser(frozen)).toBe(deriveUser({ ...identity }));
  keepDerivedUser(identity);
  const before = deriveUser(identity);
  identity.subject = "bob";
  expect(deriveUser(identity)).not.toBe(before);
});
