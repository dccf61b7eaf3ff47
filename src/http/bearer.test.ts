import { expect, test } from "bun:test";
import { UnauthorizedError } from "../core/errors.ts";
import { bearerToken } from "./bearer.ts";

const tokenIn = (authorization?: string) =>
  bearerToken(
    new Request("http://mint.test/creds", authorization === undefined ? {} : { headers: { authorization } }),
  );

function reasonFor(authorization: string): string {
  try {
    tokenIn(authorization);
  } catch (error) {
    if (error instanceof UnauthorizedError) return error.reason;
    throw error;
  }
  return "none";
}

test("the token is what follows Bearer, in any case", () => {
  for (const scheme of ["Bearer", "bearer", "BEARER"]) expect(tokenIn(`${scheme} abc`)).toBe("abc");
  expect(tokenIn("Bearer aZ09-._~+/==")).toBe("aZ09-._~+/==");
});

test("a request without the header, or with another scheme, has none", () => {
  for (const header of [undefined, "", "Basic abc", "Bearers abc", "Bear", "DPoP Bearer", "abc"]) {
    expect(tokenIn(header)).toBeUndefined();
  }
});

test("what is not one token is refused", () => {
  for (const header of [
    "Bearer",
    "Bearer ",
    "Bearer  abc",
    "Bearer\tabc",
    "Bearer abc def",
    "Bearer abc, Bearer def",
    "Bearer,abc",
    "Bearer =abc",
    "Bearer a=b",
    'Bearer "abc"',
    "Bearer äbc",
    'Bearer realm="x"',
  ]) {
    expect([header, reasonFor(header)]).toEqual([header, "malformed"]);
  }
});

test("a token of 8 KiB is accepted, a longer one is refused", () => {
  expect(tokenIn(`Bearer ${"a".repeat(8192)}`)).toHaveLength(8192);
  expect(reasonFor(`Bearer ${"a".repeat(8193)}`)).toBe("too_large");
});
