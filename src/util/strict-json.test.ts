import { expect, test } from "bun:test";
import fc from "fast-check";
import { JsonError, parseJson } from "./strict-json.ts";

test("strict JSON has the same value as with JSON.parse", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      if (/"__proto__"/.test(text)) return;
      // fast-check generates no duplicate names.
      expect(parseJson(text)).toEqual(JSON.parse(text));
      expect(parseJson(JSON.stringify(JSON.parse(text), null, 2))).toEqual(JSON.parse(text));
    }),
  );
});

test("a duplicate field is refused, at any depth and with any escapes", () => {
  for (const text of [
    '{"when":1,"when":1}',
    '{"a":{"b":[{"when":1,"x":{"when":2},"when":3}]}}',
    '{"when":1,"\\u0077hen":2}',
    '{"a\\"b":1,"a\\u0022b":2}',
    '{"":1,"":2}',
    '{"a":["}"],"b":"{","a":1}',
    '[{"a":"\\\\","a":"\\""}]',
    '{"a":":","a":1}',
    '{ "a" : 1 , "a" : 2 }',
  ]) {
    expect(() => parseJson(text)).toThrow(JsonError);
    expect(() => parseJson(text)).toThrow("duplicate field");
  }
});

test("the same name in different objects, or as a value, is accepted", () => {
  for (const text of [
    '{"a":{"a":{"a":"a"}},"b":["a","a",{"a":1},{"a":1}]}',
    '["a","a"]',
    '{"a":"b","b":"a"}',
    '{"a\\\\":1,"a":2}',
    '{"a":"\\"a\\":","b":"{\\"a\\":1,\\"a\\":1}"}',
    '"a"',
    " 1 ",
  ]) {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  }
});

test("the message names the line and the field", () => {
  expect(() => parseJson('{\n  "rules": [],\n  "rules": []\n}')).toThrow(
    'has a duplicate field "rules" at line 3, column 3',
  );
});

test("a field named __proto__, which other readers silently drop, is refused", () => {
  for (const text of ['{"__proto__":{}}', '[{"a":{"\\u005f_proto__":1}}]']) {
    expect(() => parseJson(text)).toThrow("__proto__");
  }
  expect(parseJson('{"claim":"__proto__"}')).toEqual({ claim: "__proto__" });
});

test("a text that is not JSON is refused with a message that does not quote it", () => {
  for (const text of [
    "",
    " ",
    "{",
    '{"a":1',
    '{"a":1}}',
    "{'a':1}",
    '{"a":1,}',
    "// a\n{}",
    "secret",
    "\ufeff{}",
    "NaN",
  ]) {
    expect(() => parseJson(text)).toThrow(JsonError);
    expect(() => parseJson(text)).toThrow(/^is not valid JSON at line \d+, column \d+: wanted [^$]*$/);
    expect(() => parseJson(text)).not.toThrow(/secret|NaN/);
  }
});
