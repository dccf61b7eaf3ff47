import { expect, test } from "bun:test";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import fc from "fast-check";
import { InvalidTagError, InvalidUserError } from "./errors.ts";
import { HOSTILE_NAMES } from "./hostile.fixture.ts";
import { isSubjectToken, parseSubjectToken } from "./subject-token.ts";
import { parseTags } from "./tags.ts";

test("a plain name is accepted as it is", () => {
  for (const name of ["a", "alice", "Alice-2_x", "-", "_", "constructor", "__proto__", "a".repeat(64)]) {
    expect(parseSubjectToken(name) as string).toBe(name);
  }
});

test("a name that is not one literal token is refused", () => {
  for (const name of HOSTILE_NAMES) expect(() => parseSubjectToken(name)).toThrow(InvalidUserError);
});

test("a name that contains a private key is refused, one that only looks like it is not", () => {
  for (const pair of [createOperator(), createAccount(), createUser()]) {
    const seed = new TextDecoder().decode(pair.getSeed());
    for (const name of [seed, `a-${seed}`, `SAAAAA${seed}`, `${seed}_AA`]) {
      expect(isSubjectToken(name)).toBe(false);
      expect(() => parseSubjectToken(name)).toThrow(/private key/);
      expect(() => parseTags({ room: name })).toThrow(InvalidTagError);
    }
    const other = `${seed.slice(0, -1)}${seed.endsWith("A") ? "B" : "A"}`;
    for (const name of [other, pair.getPublicKey(), `SU${"A".repeat(56)}`]) {
      expect(parseSubjectToken(name) as string).toBe(name);
    }
  }
});

test("a value that is not a string is refused, even if it converts to a name", () => {
  for (const value of [
    undefined,
    null,
    1,
    true,
    ["alice"],
    { toString: () => "alice" },
    new String("alice"),
  ]) {
    expect(() => parseSubjectToken(value)).toThrow(InvalidUserError);
  }
});

test("every accepted value is one token without wildcards", () => {
  const nasty = fc.string({
    unit: fc.constantFrom("a", "Z", "0", "-", "_", ".", "*", ">", " ", "\n", "{", "}", "é"),
    maxLength: 70,
  });
  fc.assert(
    fc.property(fc.oneof(nasty, fc.string({ unit: "binary" })), (text) => {
      if (!isSubjectToken(text)) return;
      expect(text.length).toBeLessThanOrEqual(64);
      expect(text).not.toMatch(/[^A-Za-z0-9_-]/);
    }),
  );
});

test("a tag's value is one token, too", () => {
  expect(parseTags({ room: "Lobby", "team_1-x": "a" })).toEqual(
    parseTags({ "team_1-x": "a", room: "Lobby" }),
  );
  for (const value of HOSTILE_NAMES) expect(() => parseTags({ room: value })).toThrow(InvalidTagError);
  for (const value of [undefined, null, 1, ["lobby"], ["lobby", "hall"]]) {
    expect(() => parseTags({ room: value })).toThrow(InvalidTagError);
  }
});

test("a tag's name is lower case, since the server only finds such names", () => {
  for (const name of ["Room", "", "a:b", "a.b", "*", "a b", "ä", "a\n", "a".repeat(65)]) {
    expect(() => parseTags({ [name]: "x" })).toThrow(InvalidTagError);
  }
});

test("a tag may have the name of an inherited property", () => {
  const tags = parseTags(JSON.parse('{"__proto__": "a", "constructor": "b"}'));
  expect(Object.entries(tags) as unknown[]).toEqual([
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
});

test("there are at most 16 tags", () => {
  const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, "x"]));
  expect(Object.keys(parseTags(tags(16)))).toHaveLength(16);
  expect(() => parseTags(tags(17))).toThrow(InvalidTagError);
});
