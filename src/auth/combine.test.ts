import { expect, test } from "bun:test";
import { UnauthorizedError } from "../core/errors.ts";
import type { Authenticator } from "../core/identity.ts";
import { firstOf } from "./combine.ts";

const request = new Request("http://mint.test/creds");
const nobody: Authenticator = () => null;
const somebody =
  (subject: string): Authenticator =>
  async () => ({ issuer: "test", subject, claims: {} });
const refuses: Authenticator = () => {
  throw new UnauthorizedError("no", "expired");
};

test("the first who knows the caller says who it is", async () => {
  expect((await firstOf([nobody, somebody("a"), somebody("b")])(request, {}))?.subject).toBe("a");
});

test("nobody knows a caller whom nobody knows", async () => {
  expect(await firstOf([nobody, nobody])(request, {})).toBeNull();
  expect(await firstOf([])(request, {})).toBeNull();
});

test("a proof that is refused is not shown to the next", async () => {
  await expect(firstOf([nobody, refuses, somebody("a")])(request, {})).rejects.toThrow(UnauthorizedError);
});

test("what was asked is passed on", async () => {
  const asked = { role: "browser" };
  const echo: Authenticator = (given, wish) => ({ issuer: given.url, subject: wish.role ?? "", claims: {} });
  expect(await firstOf([nobody, echo])(request, asked)).toMatchObject({
    issuer: request.url,
    subject: "browser",
  });
});
