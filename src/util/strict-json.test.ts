import { expect, test } from "bun:test";
import fc from "fast-check";
import { JsonError, parseJson } from "./strict-json.ts";

test("JSON is read as ever", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      if (/"__proto__"/.test(text)) return;
      // fast-check writes objects, which have each name once.
      expect(parseJson(text)).toEqual(JSON.parse(text));
      expect(parseJson(JSON.stringify(JSON.parse(text), null, 2))).toEqual(JSON.parse(text));
    }),
  );
});

test("a field that is there twice is refused, wherever and however it is spelt", () => {
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
    expect(() => parseJson(text)).toThrow("is there twice");
  }
});

test("the same name in different objects, or as a value, is fine", () => {
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
    'line 3: the field "rules" is there twice',
  );
});

test("a field called __proto__, which others leave out in silence, is refused", () => {
  for (const text of ['{"__proto__":{}}', '[{"a":{"\\u005f_proto__":1}}]']) {
    expect(() => parseJson(text)).toThrow("__proto__");
  }
  expect(parseJson('{"claim":"__proto__"}')).toEqual({ claim: "__proto__" });
});

test("what is not JSON is refused without being repeated", () => {
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
    expect(() => parseJson(text)).toThrow(/^is not JSON, or only a part of it$/);
  }
});
