import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, makeEnvironment, runService } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { install, missing, run } from "./schemathesis.ts";

/** The service conforms to its OpenAPI document, for any request. */

const projectDir = join(import.meta.dirname, "../..");
const why = missing();
if (why && process.env.CI) throw new Error(`${why}, and CI requires Schemathesis`);
if (why) console.warn(`SKIPPED, the OpenAPI document is not tested: ${why}`);

describe.skipIf(why !== undefined)("Schemathesis finds", () => {
  let environment: Environment;
  let service: ReturnType<typeof runService>;
  let dir: string;
  let url: string;

  beforeAll(async () => {
    await install();
    dir = mkdtempSync(join(tmpdir(), "openapi-"));
    environment = await makeEnvironment();
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    service = runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
      PATH: process.env.PATH ?? "",
      MINT_AUTH: "dev",
      MINT_PORT: String(port),
      MINT_KEYS_DIR: environment.recipe.env.KEYS_DIR ?? "",
      MINT_RATE_LIMIT: "off",
    });
    await service.waitFor(/mint listens on/);
  }, 300_000);
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
    await environment?.[Symbol.asyncDispose]();
    if (dir) rmSync(dir, { recursive: true });
  });

  test("no response that differs from the document", async () => {
    const { code, output } = await run(dir, `${url}/openapi.json`);
    expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
    expect(output).toContain("No issues found");
    // It has sent a few hundred requests, to every path.
    expect(Number(/(\d+) generated/.exec(output)?.[1])).toBeGreaterThan(200);
    expect(output).toMatch(/Operations: +(\d+) selected \/ \1 total/);
  });

  test("the differences when the document is changed", async () => {
    const document = await (await fetch(`${url}/openapi.json`)).json();
    document.components.schemas.Creds.properties.expires_at.type = "string";
    delete document.paths["/creds"].post.responses["422"];
    document.components.schemas.CredsRequest.properties.user.pattern = "^.{1,64}$";
    const file = join(dir, "other.json");
    writeFileSync(file, JSON.stringify(document));
    const { code, output } = await run(
      dir,
      file,
      "--url",
      url,
      "--include-path",
      "/creds",
      "--continue-on-failure",
      "--max-examples",
      "50",
    );
    expect(code).toBe(1);
    expect(output).toContain("Response violates schema");
    expect(output).toContain("Undocumented status code");
    expect(output).toContain("Schema-valid request rejected");
  });
});
