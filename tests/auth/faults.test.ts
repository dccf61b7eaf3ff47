import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchTrusting } from "../../src/files/authorities.ts";
import { runCommand } from "../policy/command.ts";
import { forge, jwks, pairs, signers } from "./forge.ts";
import { localIssuer, type Published, wellKnown } from "./local-issuer.ts";
import { oidcMint } from "./mint.ts";

/**
 * Faults of an issuer that stay until an operator corrects something: the log names the present one with what to do, and
 * the response says that waiting does not help. And issuers with certificates of a private authority.
 */

const ISSUER = "https://login.test";
const KEYS = "https://login.test/keys";
const DISCOVERY = wellKnown(ISSUER);
const local = await localIssuer();
afterAll(() => local[Symbol.asyncDispose]());

const status =
  (code: number, headers: Record<string, string> = {}): Published =>
  (response) =>
    response.writeHead(code, headers).end();
const page: Published = (response) => response.end("<html>");
// Without the key that is too short, which has a warning of its own.
const strong = { keys: jwks.keys.filter(({ kid }) => kid !== "weak rsa") };
const good = { [DISCOVERY]: { issuer: ISSUER, jwks_uri: KEYS }, [KEYS]: strong };

const token = (iss: string) =>
  forge({
    header: { alg: "RS256", kid: "rsa" },
    claims: { iss, aud: "nats", sub: "alice", exp: Math.floor(Date.now() / 1000) + 360_000 },
    signer: signers.rs256(pairs.rsa),
  });

function makeMint() {
  const issuers = [{ issuer: ISSUER, audience: ["nats"] }];
  const mint = oidcMint({ issuers: () => issuers, fetch: local.fetch });
  mint.clock.stop();
  return {
    ...mint,
    /** The response's status and `detail`, after the pause that follows a failure. */
    async request() {
      mint.clock.advance(5);
      const { status, text, retryAfter } = await mint.requestCreds(token(ISSUER));
      return { status, detail: JSON.parse(text).detail as string, retryAfter };
    },
  };
}

const AT_THE_MOMENT = "the keys of the token's issuer can't be fetched at the moment; try again";
const untilCorrected = (summary: string) =>
  `the keys of the token's issuer can't be used, until this is corrected: ${summary}; the mint's log has the details`;

describe("a fault that stays", () => {
  const faults: [string, Record<string, Published>, string, string, string][] = [
    [
      "discovery that redirects",
      { [DISCOVERY]: status(301, { Location: `${ISSUER}/` }) },
      "its discovery document can't be fetched: it redirects",
      "the response was 301",
      "configure the final URL",
    ],
    [
      "no discovery document",
      {},
      "its discovery document can't be fetched: status 404",
      "the response was 404",
      "Check the URL in the settings",
    ],
    [
      "a page in place of the document",
      { [DISCOVERY]: page },
      "its discovery document is not JSON",
      "is not JSON",
      "it may be a page",
    ],
    [
      "another name",
      { ...good, [DISCOVERY]: { issuer: `${ISSUER}/`, jwks_uri: KEYS } },
      "its discovery document names another issuer",
      'names another issuer: "https://login.test/"',
      "set discovery_issuer",
    ],
    [
      "no jwks_uri",
      { [DISCOVERY]: { issuer: ISSUER } },
      "its discovery document has no jwks_uri",
      "has no jwks_uri",
      "Configure jwks_uri",
    ],
    [
      "an empty JWK Set",
      { ...good, [KEYS]: { keys: [] } },
      "its key set has no key that can be used",
      "has no key that can be used",
      "public keys for signatures",
    ],
    [
      "keys that redirect",
      { ...good, [KEYS]: status(302, { Location: "https://other.test" }) },
      "its key set can't be fetched: it redirects",
      "its key set can't be fetched: the response was 302",
      "configure the final URL",
    ],
    [
      "no JWK Set",
      { ...good, [KEYS]: {} },
      "its key set is not a JWK Set",
      "is not a JWK Set",
      "Check jwks_uri",
    ],
  ];
  test.each(faults)("%s", async (_, documents, summary, cause, advice) => {
    local.publish(documents);
    const { request, auth, warnings } = makeMint();
    // Found at the start, before any request.
    await auth.warmUp();
    expect(warnings).toEqual([expect.stringContaining(cause)]);
    expect(warnings[0]).toContain(advice);
    for (let n = 0; n < 3; n++) {
      expect(await request()).toEqual({ status: 503, detail: untilCorrected(summary), retryAfter: "5" });
    }
    expect(warnings).toHaveLength(1);
    local.publish(good);
    expect((await request()).status).toBe(200);
  });

  test.each([500, 502, 503, 429, 408])("status %d is none: trying again can help", async (code) => {
    local.publish({ [DISCOVERY]: status(code) });
    const { request, warnings } = makeMint();
    expect(await request()).toMatchObject({ status: 503, detail: AT_THE_MOMENT });
    expect(warnings).toEqual([expect.stringContaining(`the response was ${code}`)]);
  });
});

test("the log names the present cause whenever it changes, and again after a success", async () => {
  const { request, warnings, clock } = makeMint();
  const steps: [Record<string, Published>, string | undefined][] = [
    [{ [DISCOVERY]: status(503) }, "the response was 503"],
    [{ [DISCOVERY]: status(503) }, undefined],
    [{ [DISCOVERY]: status(302) }, "the response was 302"],
    [{ ...good, [KEYS]: { keys: [] } }, "no key that can be used"],
    [{ ...good, [KEYS]: { keys: [] } }, undefined],
    [{ [DISCOVERY]: status(503) }, "the response was 503"],
    [good, undefined],
    [{ [DISCOVERY]: status(503) }, "the response was 503"],
  ];
  for (const [documents, warning] of steps) {
    local.publish(documents);
    const before = warnings.length;
    // Keys that were fetched are too old by then.
    clock.advance(2 * 3600);
    await request();
    expect(warnings.slice(before)).toEqual(warning === undefined ? [] : [expect.stringContaining(warning)]);
  }
});

describe("an issuer with a certificate of a private authority", () => {
  const openssl = Bun.which("openssl");
  let dir: string;
  let server: Bun.Server<undefined>;
  const path = (name: string) => join(dir, name);
  const run = (...args: string[]) => execFileSync(openssl ?? "openssl", args, { cwd: dir, stdio: "ignore" });

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "authority-"));
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    run("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test");
    run("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
    writeFileSync(path("names"), "subjectAltName=IP:127.0.0.1\n");
    const signing = [
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "names",
    ];
    run("x509", "-req", "-in", "server.csr", "-out", "server.pem", ...signing);
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: readFileSync(path("server.pem")), key: readFileSync(path("server.key")) },
      fetch: ({ url }) => {
        const { origin, pathname } = new URL(url);
        return Response.json(pathname === "/keys" ? jwks : { issuer: origin, jwks_uri: `${origin}/keys` });
      },
    });
  });
  afterAll(async () => {
    await server.stop(true);
    rmSync(dir, { recursive: true });
  });
  const issuer = () => server.url.origin;

  async function outcome(caFile?: string) {
    const issuers = [{ issuer: issuer(), audience: ["nats"] }];
    const fetch = await fetchTrusting(caFile);
    const { requestCreds, warnings } = oidcMint({ issuers: () => issuers, ...(fetch && { fetch }) });
    return { ...(await requestCreds(token(issuer()))), warnings };
  }

  test("is accepted with its authority, and otherwise named with what to do", async () => {
    expect((await outcome(path("ca.pem"))).outcome).toBe("granted");
    const { outcome: refused, text, warnings } = await outcome();
    expect(refused).toBe("issuer_unavailable");
    expect(JSON.parse(text).detail).toBe(
      untilCorrected("its discovery document can't be fetched: its certificate is not accepted"),
    );
    expect(warnings).toEqual([expect.stringContaining("Name the file of its authority in OIDC_CA_FILE")]);
  });

  test("needs a file of certificates", async () => {
    writeFileSync(path("empty.pem"), "");
    writeFileSync(path("key.pem"), readFileSync(path("ca.key")));
    writeFileSync(
      path("damaged.pem"),
      readFileSync(path("ca.pem"), "utf8").replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAA"),
    );
    for (const [file, message] of [
      ["none.pem", "does not exist"],
      ["empty.pem", "has no certificate"],
      ["key.pem", "has no certificate"],
      ["damaged.pem", "its certificate number 1 is damaged"],
      ["", "is a directory"],
    ] as const) {
      await expect(fetchTrusting(path(file))).rejects.toThrow(message);
    }
  });

  test("is checked by `issuers check`, which says what is wrong", async () => {
    writeFileSync(path("policy.json"), JSON.stringify({ rules: [] }));
    const env = {
      MINT_POLICY_FILE: path("policy.json"),
      OIDC_ISSUER: issuer(),
      OIDC_AUDIENCE: "nats",
      OIDC_CA_FILE: path("ca.pem"),
    };
    const checked = await runCommand(["issuers", "check"], env);
    expect([checked.code, checked.out]).toEqual([
      0,
      `issuer "${issuer()}": 6 keys, and 1 that are too short\n`,
    ]);
    const refused = await runCommand(["issuers", "check"], { ...env, OIDC_CA_FILE: "" });
    expect(refused.code).toBe(1);
    expect(refused.out).toContain("Name the file of its authority in OIDC_CA_FILE");
    const other = await runCommand(["issuers", "check"], { ...env, OIDC_ISSUER: `${issuer()}/a` });
    expect([other.code, other.out]).toEqual([1, expect.stringContaining("names another issuer")]);
  });
});
