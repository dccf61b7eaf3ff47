import { expect, test } from "bun:test";
import fc from "fast-check";
import { findJsonMistake } from "./json-mistake.ts";

const isJson = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

test("a mistake is found in a text exactly when JSON.parse refuses it", () => {
  const piece = fc.constantFrom(
    ..."{}[],:\"'\\ \n0123456789-+.eE/",
    "true",
    "null",
    '"a"',
    '"a":',
    "1",
    "01",
    '"\\u00e9"',
    '"\\x"',
    "\u0000",
  );
  const anyText = fc.oneof(
    fc.json(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    // JSON with one character removed, added or replaced.
    fc.tuple(fc.json(), fc.nat(), fc.nat(1), piece).map(([json, place, length, text]) => {
      const at = place % (json.length + 1);
      return json.slice(0, at) + text + json.slice(at + length);
    }),
  );
  fc.assert(
    fc.property(anyText, (text) => {
      expect([text, findJsonMistake(text) === undefined]).toEqual([text, isJson(text)]);
    }),
    { numRuns: 3000 },
  );
});

test.each([
  ["", 1, 1, "a value; the text ends here"],
  ["\n\n{", 3, 2, "a name in double quotes; the text ends here"],
  [
    '{\n  "rules": [\n    { "when": {} },\n  ]\n}',
    4,
    3,
    "a value; there is no comma before the end of a list or an object",
  ],
  [
    '{\n  "a": 1,\n}',
    3,
    1,
    "a name in double quotes; there is no comma before the end of a list or an object",
  ],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, ", or }"],
  ['{ "a" 1 }', 1, 7, ":"],
  ["{ 'a': 1 }", 1, 3, "a name in double quotes; texts are in double quotes"],
  ["{ \"a\": 'x' }", 1, 8, "a value; texts are in double quotes"],
  ["{ a: 1 }", 1, 3, "a name in double quotes"],
  ['{\n  // rules\n  "a": 1 }', 2, 3, "a name in double quotes; JSON has no comments"],
  ['{ "a": 1 /* x */ }', 1, 10, ", or }; JSON has no comments"],
  ['["a\nb"]', 1, 4, 'the " that ends the text'],
  ['["a]', 1, 5, 'the " that ends the text'],
  ['["C:\\dir"]', 1, 5, "a valid escape after \\"],
  ["[1, 2", 1, 6, ", or ]; the text ends here"],
  ["[1}", 1, 3, ", or ]"],
  ["{} x", 1, 4, "nothing more"],
  ["[01]", 1, 2, "a value"],
  ["[NaN]", 1, 2, "a value"],
  ["\ufeff{}", 1, 1, "a value; there is a byte order mark"],
])("%j: line %d, column %d, wanted %s", (text, line, column, wanted) => {
  expect(findJsonMistake(text)).toEqual({ place: `line ${line}, column ${column}`, wanted });
});
