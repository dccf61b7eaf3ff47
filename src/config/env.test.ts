import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { type Block, envReader, variablesOf } from "./env.ts";
import { mistakes } from "./mistakes.fixture.ts";
import { port, text } from "./values.ts";

const read = (env: Record<string, string>, block: Block) => envReader(env).read({ block }).block;
const ports = (...names: string[]) => z.object(Object.fromEntries(names.map((name) => [name, port])));

describe("the reader", () => {
  test("treats an empty variable as not set, and removes spaces around a value", () => {
    const block = z.object({ A: text.optional(), B: text.default("b"), C: text });
    expect(read({ A: "", B: " \t", C: " c d " }, block)).toEqual({ B: "b", C: "c d" });
    expect(mistakes(() => read({}, block))).toEqual(["C: is not set, wanted some text"]);
    expect(mistakes(() => read({ C: "  " }, block))).toEqual(['C: got "  ", wanted some text']);
  });

  test("reports the mistakes of all blocks at once", () => {
    const env = { A: "x", B: "y", C: "1" };
    const blocks = { one: ports("A"), unused: undefined, two: ports("B", "C") };
    expect(mistakes(() => envReader(env).read(blocks))).toEqual([
      'A: got "x", wanted a port, 1 to 65535',
      'B: got "y", wanted a port, 1 to 65535',
    ]);
    expect(envReader(env).readIfValid(blocks.two)).toBeUndefined();
    expect(envReader(env).readIfValid(ports("C"))).toEqual({ C: 1 });
  });

  test("reads the variables that its blocks name, and no others", () => {
    const block = z.object({ A: text, B: text.optional() }).transform(({ A }) => A);
    const variables = new Set<PropertyKey>();
    const env = new Proxy(
      { A: "a", X: "x" },
      {
        get: (target, name) => {
          variables.add(name);
          return Reflect.get(target, name);
        },
      },
    );
    expect(read(env, block)).toBe("a");
    expect([...variables]).toEqual(variablesOf({ block }));
  });
});

describe("a mistake", () => {
  test("never shows a secret, by the variable's name or by its form", () => {
    const seed = `SU${"A".repeat(56)}`;
    const env = {
      API_TOKEN: "hunter2",
      NATS_ACCOUNT_SECRET: "hunter2",
      PLAIN: seed,
      NATS_TCP_URLS: "nats://me:hunter2@x",
    };
    const lines = mistakes(() => read(env, ports(...Object.keys(env))));
    expect(lines).toHaveLength(4);
    expect(lines.join("\n")).not.toContain("hunter2");
    expect(lines.join("\n")).not.toContain(seed);
  });

  test("is one short line, whatever the value", () => {
    const lines = mistakes(() => read({ X: `a\nb\u202e${"c".repeat(1000)}` }, ports("X")));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.length).toBeLessThan(140);
  });
});
