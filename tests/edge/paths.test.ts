import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BODY, type Service, start } from "./service.ts";

/** Each path of the service has one form, so that a path that a proxy blocks can't be reached in another form. */

let service: Service;
beforeAll(async () => {
  service = await start();
});
afterAll(() => service[Symbol.asyncDispose]());

const PATHS = ["/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/creds"];

/** Forms that some servers, libraries and proxies treat as the same path. */
function otherForms(path: string): string[] {
  const name = path.slice(1);
  const coded = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
  return [
    `/${coded}`,
    `/${name.slice(0, -1)}%${name
      .charCodeAt(name.length - 1)
      .toString(16)
      .toUpperCase()}`,
    `/./${name}`,
    `/././${coded}`,
    `/x/../${name}`,
    `/../${name}`,
    `/%2e/${name}`,
    `/x/%2e%2E/${name}`,
    `/x\\..\\${name}`,
    `/.\\${name}`,
    `/\\${name}`,
    `//${name}`,
    `//x/${name}`,
    `/.//${name}`,
    `/${name}/`,
    `/${name}/.`,
    `/${name}/x/..`,
    `/${name}//`,
    `/${name}\\`,
    `/${name.toUpperCase()}`,
    `/${name};x`,
    `/${name}%20`,
    `/${name}%00`,
    `/${name}%2f`,
    `/${name}%3fx`,
    `/${name}%23`,
    `/${name}#`,
    `/${name}#x`,
    `/%2f${name}`,
    `/?/../../${name}`,
    `http://localhost/./${name}`,
    `http://localhost/${coded}`,
    `http://localhost//${name}`,
  ];
}

async function status(target: string, method: string, version = "1.1"): Promise<number> {
  const head = `${method} ${target} HTTP/${version}\r\nHost: localhost\r\nConnection: close\r\n`;
  const body = `Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
  const response = await service.open(head + (method === "POST" ? body : "\r\n")).closed;
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1]);
}

for (const path of PATHS) {
  const method = path === "/creds" ? "POST" : "GET";
  describe(`${path} is found`, () => {
    test("under its one form, with and without a query, in both versions of HTTP", async () => {
      for (const target of [path, `${path}?`, `${path}?a=/../b`, `http://localhost${path}`]) {
        for (const version of ["1.0", "1.1"]) {
          expect([target, version, await status(target, method, version)]).toEqual([target, version, 200]);
        }
      }
    });

    test("under no other", async () => {
      for (const target of otherForms(path)) {
        for (const version of ["1.0", "1.1"]) {
          const responses = [await status(target, method, version), await status(target, "DELETE", version)];
          expect([target, version, ...responses]).toEqual([target, version, 404, 404]);
        }
      }
    });
  });
}

test("a Host header with a path does not change the path", async () => {
  for (const host of ["x/metrics?", "x/metrics#", "x/./metrics?", "a@x/metrics?", "x\\metrics?", ""]) {
    const response = await service.open(`GET /nothing HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      .closed;
    expect([host, response.slice(0, 12)]).toEqual([host, expect.stringMatching(/^HTTP\/1\.1 40[04]$/)]);
    expect(response).not.toContain("nats_mint_");
  }
});

test("a request for another form is counted as a path that does not exist", async () => {
  await status("/./metrics", "GET");
  const text = await (await service.get("/metrics")).text();
  expect(text).toMatch(/nats_mint_requests_total\{route="other",method="GET",status="404"\} \d+/);
});
