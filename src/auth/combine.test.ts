import { expect, test } from "bun:test";
import { UnauthorizedError } from "../core/errors.ts";
import type { TokenAuthenticator } from "../core/identity.ts";
import { firstOf } from "./combine.ts";

const token = "a.b.c";
const unknown: TokenAuthenticator = () => null;
const known =
  (subject: string): TokenAuthenticator =>
  async () => ({ method: "test", issuer: "test", subject, claims: {} });
const refuses: TokenAuthenticator = () => {
  throw new UnauthorizedError("no", "expired");
};

test("the first authenticator that knows the token returns the identity", async () => {
  expect((await firstOf([unknown, known("a"), known("b")])(token, {}))?.subject).toBe("a");
});

test("a token that no authenticator knows results in no identity", async () => {
  expect(await firstOf([unknown, unknown])(token, {})).toBeNull();
  expect(await firstOf([])(token, {})).toBeNull();
});

test("a token that one authenticator refuses is not offered to the next", async () => {
  await expect(firstOf([unknown, refuses, known("a")])(token, {})).rejects.toThrow(UnauthorizedError);
});

test("what the caller requests is passed on", async () => {
  const requested = { role: "browser" };
  const echo: TokenAuthenticator = (token, { role }) => ({
    method: "test",
    issuer: token,
    subject: role ?? "",
    claims: {},
  });
  expect(await firstOf([unknown, echo])(token, requested)).toMatchObject({
    issuer: token,
    subject: "browser",
  });
});
