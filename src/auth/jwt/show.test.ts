import { expect, test } from "bun:test";
import { createUserKeyPair } from "../../core/keys/ed25519.ts";
import { oneOf, show } from "./show.ts";
import { unknownIssuer } from "./token.ts";

/** Messages about tokens of any content: each is short, and takes no time to make. */

const SEED = createUserKeyPair().seed;
const HIDDEN = "something (not shown)";

/** So long that work for each pair of characters would take minutes; a token has a fraction of it. */
const LONG = 300_000;
const repeated = (text: string) => text.repeat(Math.ceil(LONG / text.length));

test.each(["/", "//x", "a.", "-", "S", "SU", "SUAA", SEED.slice(0, -1), "eyJ", "\\", '"', "\ud800"])(
  "an issuer and a value of many %j",
  (part) => {
    for (const issuer of [repeated(part), `${repeated(part)}x`, `https://${repeated(part)}x`]) {
      expect(unknownIssuer(issuer, ["https://login.example.com"]).message.length).toBeLessThan(500);
      expect(show(issuer).length).toBeLessThan(500);
    }
  },
);

test("a list in a list is not shown, however deep", () => {
  let deep: unknown = "x";
  for (let i = 0; i < 100_000; i++) deep = [deep];
  let wide: unknown = "é".repeat(100);
  for (let i = 0; i < 6; i++) wide = [wide, wide, wide, wide];
  expect(show([deep])).toBe("a list");
  expect(show(wide)).toBe("a list, a list, a list and a list");
  expect(show(["a", ["b"]])).toBe('"a" and a list');
});

test("a private key is not shown wherever it is in a text, and in a list", () => {
  for (let before = 0; before <= 70; before++) {
    const shown = show(`${"x".repeat(before)}${SEED}${"y".repeat(100)}`);
    expect(before < 64 ? shown : HIDDEN).toBe(HIDDEN);
    expect(shown).not.toContain(SEED.slice(0, 8));
  }
  expect(show(["a", SEED, { seed: SEED }])).toBe(`"a", ${HIDDEN} and an object`);
  expect(show(`${"x".repeat(5000)}eyJhbGciOiJub25lIn0.e30.`)).toBe(HIDDEN);
});

test("a list of names is cut after a few", () => {
  expect(oneOf(["a"])).toBe('"a"');
  expect(oneOf(["a", "b", "c"])).toBe('"a", "b" or "c"');
  expect(oneOf(Array.from({ length: 9 }, (_, i) => `${i}`))).toBe('"0", "1", "2", "3" or 5 more');
});
