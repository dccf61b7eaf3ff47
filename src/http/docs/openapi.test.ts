import { beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createUser } from "@nats-io/jwt";
import { Hono } from "hono";
import { z } from "zod";
import { InvalidTagError, KeysUnavailableError } from "../../core/errors.ts";
import { HOSTILE_NAMES } from "../../core/hostile.fixture.ts";
import { createMint, type Mint } from "../../core/mint.ts";
import { BROWSER, makeAccount } from "../../core/roles/account.fixture.ts";
import { isSubjectToken } from "../../core/subject-token.ts";
import { parseTags } from "../../core/tags.ts";
import { type AppOptions, createApp } from "../app.ts";
import { devAuthentication } from "../dev.ts";
import { PROBLEMS } from "../edge/problems.ts";

let mint: Mint;
const NO_SERVERS = { websocket: [], tcp: [] };

beforeAll(async () => {
  const { accountJwt, seeds } = await makeAccount({ browser: BROWSER });
  mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 900 } } });
});

const makeApp = (more: Partial<AppOptions> = {}) =>
  createApp({
    mint,
    ...devAuthentication({ defaultRole: "browser" }),
    servers: { websocket: ["ws://localhost:9222"], tcp: [] },
    document: { version: "1.2.3", login: ["dev"] },
    metrics: async () => ({ body: "figures 1\n", contentType: "text/plain; version=0.0.4; charset=utf-8" }),
    ...more,
  });

/** The parts of the document that these tests read. */
interface Described {
  readonly servers: readonly { url: string }[];
  readonly paths: Record<
    string,
    Record<
      string,
      {
        security?: object[];
        responses: Record<string, { headers: object; content: Record<string, { schema: object }> }>;
      }
    >
  >;
  readonly components: {
    schemas: Record<string, { required?: string[] }>;
    securitySchemes?: Record<string, object>;
  };
}

const fetchDocument = async (app: Hono, path = "/openapi.json") =>
  (await (await app.request(path)).json()) as Described;

describe("/openapi.json", () => {
  test("has every path of the service, and no other", async () => {
    const app = makeApp();
    const { paths } = await fetchDocument(app);
    const known: string[] = [];
    for (const { path, method } of app.routes) {
      const { status } = await app.request(path, { method });
      if (status !== 405 && method !== "HEAD") known.push(`${method.toLowerCase()} ${path}`);
    }
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    expect(described.sort()).toEqual([...new Set(known)].sort());
  });

  test("has every problem code, under its status", async () => {
    const { paths } = await fetchDocument(makeApp());
    const codes = Object.values(paths).flatMap((item) =>
      Object.values(item).flatMap(({ responses }) =>
        Object.entries(responses).flatMap(([status, { content }]) => {
          const problem = content["application/problem+json"]?.schema as {
            properties: { code: { enum: string[] } };
          };
          return (problem?.properties.code.enum ?? []).map((code) => `${code} ${status}`);
        }),
      ),
    );
    const elsewhere = ["method_not_allowed", "origin_not_allowed"];
    const all = Object.entries(PROBLEMS)
      .filter(([code]) => !elsewhere.includes(code))
      .flatMap(([code, problem]) => (problem ? [`${code} ${problem.status}`] : []));
    expect([...new Set(codes)].sort()).toEqual([...all, "internal_error 500"].sort());
  });

  test("has its own path as the server, also when mounted", async () => {
    const parent = new Hono().route("/auth/nats", makeApp());
    expect((await fetchDocument(parent, "/auth/nats/openapi.json")).servers).toEqual([{ url: "/auth/nats" }]);
    expect((await fetchDocument(makeApp())).servers).toEqual([{ url: "/" }]);
  });

  test("has the authentication methods that are in use, and metrics if they are served", async () => {
    const of = async (login: readonly ("dev" | "oidc" | "api-key")[]) => {
      const { paths, components } = await fetchDocument(makeApp({ document: { login } }));
      return {
        schemes: Object.keys(components.securitySchemes ?? {}),
        security: paths["/creds"]?.post?.security,
        required: components.schemas.CredsRequest?.required,
      };
    };
    expect(await of(["dev"])).toEqual({ schemes: [], security: [{}], required: ["user"] });
    expect(await of(["oidc", "api-key"])).toEqual({
      schemes: ["oidc", "api-key"],
      security: [{ oidc: [] }, { "api-key": [] }],
      required: undefined,
    });
    expect(await of(["oidc", "dev"])).toMatchObject({ security: [{ oidc: [] }, {}], required: undefined });
    expect(await of(["api-key"])).toEqual({
      schemes: ["api-key"],
      security: [{ "api-key": [] }],
      required: ["user"],
    });
    expect((await of(["dev", "api-key"])).required).toEqual(["user"]);
    expect(await of([])).toEqual({ schemes: [], security: undefined, required: undefined });
    expect(
      Object.keys(
        (
          await fetchDocument(
            createApp({ mint, ...devAuthentication({ defaultRole: "browser" }), servers: NO_SERVERS }),
          )
        ).paths,
      ),
    ).not.toContain("/metrics");
  });
});

test("the document's patterns for names and tags match what the parsers accept", async () => {
  const { components } = await fetchDocument(makeApp());
  const { properties } = components.schemas.CredsRequest as unknown as {
    properties: {
      user: { pattern: string };
      tags: { propertyNames: { pattern: string }; maxProperties: number };
    };
  };
  const user = new RegExp(properties.user.pattern);
  const tag = new RegExp(properties.tags.propertyNames.pattern);
  const takes = (tags: Record<string, string>) => {
    try {
      parseTags(tags);
      return true;
    } catch (error) {
      if (error instanceof InvalidTagError) return false;
      throw error;
    }
  };
  const names = [
    ...HOSTILE_NAMES.filter((name) => typeof name === "string"),
    "alice",
    "A-Z_9",
    "a".repeat(64),
  ];
  for (const name of names) {
    expect([name, user.test(name)]).toEqual([name, isSubjectToken(name)]);
    expect([name, tag.test(name)]).toEqual([name, takes({ [name]: "x" })]);
  }
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, "x"]));
  expect(takes(many(properties.tags.maxProperties))).toBe(true);
  expect(takes(many(properties.tags.maxProperties + 1))).toBe(false);
});

describe("a response matches the document's schema:", () => {
  const JSON_BODY = { "Content-Type": "application/json", Host: "localhost" };
  const post = (body: string, headers: Record<string, string> = {}) => ({
    method: "POST",
    headers: { ...JSON_BODY, ...headers },
    body,
  });
  const failing = (error: unknown) => () => {
    throw error;
  };
  const key = createUser().getPublicKey();
  const cases: [string, number, string, RequestInit, Partial<AppOptions>?][] = [
    ["a credential", 200, "/creds", post(`{"user":"alice","public_key":"${key}"}`)],
    [
      "one with everything that can be requested",
      200,
      "/creds",
      post('{"user":"a","role":"browser","tags":{"a":"b"},"ttl":10}'),
    ],
    ["a creds file", 200, "/creds", post('{"user":"alice"}', { Accept: "application/x-nats-creds" })],
    ["a creds file as text", 200, "/creds", post('{"user":"alice"}', { Accept: "text/plain" })],
    ["not JSON", 400, "/creds", post("{")],
    ["a wrong shape", 400, "/creds", post('{"admin":true}')],
    ["no proof", 401, "/creds", post("{}"), { authenticate: () => null }],
    ["a wrong host", 403, "/creds", post('{"user":"alice"}', { Host: "evil.example" })],
    ["a role that isn't there", 403, "/creds", post('{"user":"alice","role":"admin"}')],
    [
      "no seed to write down",
      406,
      "/creds",
      post(`{"user":"a","public_key":"${key}"}`, { Accept: "text/plain" }),
    ],
    ["a long body", 413, "/creds", post("x".repeat(9000))],
    ["another type", 415, "/creds", post("{}", { "Content-Type": "text/plain" })],
    ["a wrong name", 422, "/creds", post('{"user":"*"}')],
    ["a wrong key", 422, "/creds", post('{"user":"a","public_key":"U"}')],
    ["a wrong tag", 422, "/creds", post('{"user":"a","tags":{"a":"*"}}')],
    ["a wrong lifetime", 422, "/creds", post('{"user":"a","ttl":1}')],
    ["no keys", 503, "/creds", post('{"user":"a"}'), { mint: failing(new KeysUnavailableError()) }],
    ["a failure", 500, "/creds", post("{}"), { authenticate: failing(new Error("x")), onError: () => {} }],
    ["alive", 200, "/healthz", {}],
    ["ready", 200, "/readyz", {}],
    ["not ready", 503, "/readyz", {}, { mint: failing(new KeysUnavailableError()) }],
    ["figures", 200, "/metrics", {}],
    ["figures through a proxy", 404, "/metrics", { headers: { "X-Forwarded-For": "10.0.0.1" } }],
    ["the document", 200, "/openapi.json", {}],
    ["the page", 200, "/docs", {}],
  ];

  test.each(cases)("%s (%d)", async (_, status, path, request, options) => {
    const response = await makeApp(options).request(path, request);
    expect(response.status).toBe(status);
    const document = await fetchDocument(makeApp());
    const operation = document.paths[path]?.[(request.method ?? "GET").toLowerCase()];
    const described = operation?.responses[status];
    const type = response.headers.get("Content-Type")?.split(";")[0] ?? "";
    expect(Object.keys(described?.content ?? {})).toContain(type);
    const body = type.endsWith("json") ? await response.json() : await response.text();
    const schema = described?.content[type]?.schema ?? {};
    const { error } = z.fromJSONSchema(inlined(schema, document)).safeParse(body);
    expect(error).toBeUndefined();
    for (const [name, header] of Object.entries(described?.headers ?? {})) {
      if (header.required) expect([name, response.headers.get(name)]).not.toEqual([name, null]);
    }
  });

  test("and would not match with a wrong field", async () => {
    const document = await fetchDocument(makeApp());
    const schema = document.paths["/creds"]?.post?.responses[200]?.content["application/json"]?.schema ?? {};
    const shape = z.fromJSONSchema(inlined(schema, document));
    const response = (await (
      await makeApp().request("/creds", post('{"user":"alice"}'))
    ).json()) as object & {
      permissions: unknown;
    };
    expect(shape.safeParse(response).success).toBe(true);
    expect(shape.safeParse({ ...response, expires_at: "soon" }).success).toBe(false);
    const { permissions: _, ...rest } = response;
    expect(shape.safeParse(rest).success).toBe(false);
  });
});

/** The schema with its references replaced; none is recursive. */
function inlined(schema: object, document: Described): Parameters<typeof z.fromJSONSchema>[0] {
  return JSON.parse(JSON.stringify(schema), (_, value) =>
    typeof value?.$ref === "string"
      ? inlined(document.components.schemas[value.$ref.split("/").at(-1)] ?? {}, document)
      : value,
  );
}

describe("/docs", () => {
  test("shows each path, field, status and code of the document", async () => {
    const app = makeApp();
    const page = await (await app.request("/docs")).text();
    const { paths, components } = await fetchDocument(app);
    const parts = [
      ...Object.keys(paths),
      ...Object.entries(PROBLEMS).flatMap(([code, problem]) =>
        problem && !["method_not_allowed", "origin_not_allowed"].includes(code) ? [code] : [],
      ),
      ...Object.keys((components.schemas.Creds as { properties: object }).properties),
      ...Object.keys((components.schemas.CredsRequest as { properties: object }).properties),
      "Retry-After",
      "1.2.3",
    ];
    expect(parts.filter((part) => !page.includes(part))).toEqual([]);
  });

  test("runs no script, and its policy allows nothing but its own style", async () => {
    const response = await makeApp().request("/docs");
    const page = await response.text();
    expect(page).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|javascript:|url\(|@import/i);
    const style = /<style>(.*?)<\/style>/s.exec(page)?.[1] ?? "";
    const hash = createHash("sha256").update(style).digest("base64");
    const policy = response.headers.get("Content-Security-Policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy?.match(/style-src [^;]*/)?.[0]).toBe(`style-src 'sha256-${hash}'`);
  });

  test("escapes whatever the document holds", async () => {
    const app = makeApp({ document: { version: `<b id="x">'&` } });
    const page = await (await app.request("/docs")).text();
    expect(page).not.toContain('<b id="x">');
    expect(page).toContain("&lt;b id=&quot;x&quot;&gt;");
  });
});
