import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isRoleName, ROLE_NAME } from "./role-name.ts";

test("the scripts that read role files have the same rule", () => {
  const script = readFileSync(join(import.meta.dirname, "../../fs/nats-init/roles.sh"), "utf8");
  const [, pattern] = /grep -Eqx '([^']+)' \|\| echo "its name must be/.exec(script) ?? [];
  expect(`^${pattern}$`).toBe(ROLE_NAME.source);
});

test("a name is lower-case, and safe as a file's name", () => {
  for (const name of ["a", "0", "browser", "room-live", "a_b", "a".repeat(63)]) {
    expect([name, isRoleName(name)]).toEqual([name, true]);
  }
  for (const name of [
    "",
    "-a",
    "_a",
    "A",
    "a b",
    "a.b",
    "../a",
    "a/b",
    "a\n",
    "a\nb",
    "é",
    "a".repeat(64),
    1,
    null,
  ]) {
    expect([name, isRoleName(name)]).toEqual([name, false]);
  }
});
