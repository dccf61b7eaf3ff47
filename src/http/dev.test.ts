import { expect, test } from "bun:test";
import { InvalidRequestError, InvalidUserError } from "../core/errors.ts";
import { parseLifetime } from "../core/lifetime.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { parseTags } from "../core/tags.ts";
import { HostNotAllowedError } from "../http/errors.ts";
import { devAuthentication } from "./dev.ts";

const { authenticate, grant } = devAuthentication({ defaultRole: "browser", hosts: ["Mint.test"] });
const user = parseSubjectToken("alice");
const under = (host: string | undefined) =>
  authenticate(new Request("http://localhost/creds", host === undefined ? {} : { headers: { Host: host } }), {
    user,
  });

test("the request names the user, without proof", async () => {
  expect(await under("localhost:8080")).toEqual({
    method: "dev",
    issuer: "dev",
    subject: "alice",
    claims: {},
  });
});

test("a request without a user is refused", () => {
  const request = new Request("http://localhost/creds", { headers: { Host: "localhost" } });
  expect(() => authenticate(request, {})).toThrow(InvalidRequestError);
});

test("requests are accepted under this machine's names and the configured ones", () => {
  const hosts = [
    "localhost",
    "localhost:8080",
    "LOCALHOST",
    "127.0.0.1:1",
    "[::1]",
    "[::1]:8080",
    "mint.test:80",
  ];
  for (const host of hosts) expect(under(host)).not.toBeNull();
});

test("requests under another name are refused, so that a page can't rebind its name to this machine", () => {
  const hosts = [
    undefined,
    "",
    "evil.com",
    "localhost.evil.com",
    "evil.localhost",
    "localhost.",
    "localhost:",
    "localhost:80:80",
    "localhost, evil.com",
    "localhost@evil.com",
    "evil.com#localhost",
    "127.0.0.2",
    "0.0.0.0",
    "[::]",
    "::1",
    "localhost/",
    "user@localhost",
  ];
  for (const host of hosts) expect(() => under(host)).toThrow(HostNotAllowedError);
});

test("everything requested is granted, and the default role when none is requested", async () => {
  const identity = { method: "dev", issuer: "dev", subject: "alice", claims: {} };
  expect(await grant(identity, {})).toEqual({ role: "browser", user });
  const requested = { role: "service", tags: parseTags({ room: "a" }), ttl: parseLifetime(60) };
  expect(await grant(identity, requested)).toEqual({ ...requested, user });
});

test("a name is accepted as it is or refused", () => {
  expect(() => grant({ method: "dev", issuer: "dev", subject: "*", claims: {} }, {})).toThrow(
    InvalidUserError,
  );
});
