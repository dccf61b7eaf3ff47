import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeWorld, runService, type World } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { install, missing, run } from "./schemathesis.ts";

/** The service keeps what its document says, whatever it is asked. */

const projectDir = join(import.meta.dirname, "../..");
const why = missing();
if (why && process.env.CI) throw new Error(`${why}, and CI does not go without Schemathesis`);
if (why) console.warn(`SKIPPED, the document is not tried: ${why}`);

describe.skipIf(why !== undefined)("Schemathesis finds", () => {
  let world: World;
  let service: ReturnType<typeof runService>;
  let dir: string;
  let url: string;

  beforeAll(async () => {
    await install();
    dir = mkdtempSync(join(tmpdir(), "openapi-"));
    world = await makeWorld();
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    service = runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
      PATH: process.env.PATH ?? "",
      MINT_AUTH: "dev",
      MINT_PORT: String(port),
      MINT_KEYS_DIR: world.recipe.env.KEYS_DIR ?? "",
      MINT_RATE_LIMIT: "off",
    });
    await service.says(/mint listens on/);
  }, 300_000);
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    if (dir) rmSync(dir, { recursive: true });
  });

  test("no answer that the document doesn't have", async () => {
    const { code, said } = await run(dir, `${url}/openapi.json`);
    expect({ code, said: code === 0 ? "" : said }).toEqual({ code: 0, said: "" });
    expect(said).toContain("No issues found");
    // It did ask: a few hundred times, of every path.
    expect(Number(/(\d+) generated/.exec(said)?.[1])).toBeGreaterThan(200);
    expect(said).toMatch(/Operations: +(\d+) selected \/ \1 total/);
  });

  test("the answers that break a document which says something else", async () => {
    const document = await (await fetch(`${url}/openapi.json`)).json();
    document.components.schemas.Creds.properties.expires_at.type = "string";
    delete document.paths["/creds"].post.responses["422"];
    document.components.schemas.CredsRequest.properties.user.pattern = "^.{1,64}$";
    const file = join(dir, "other.json");
    writeFileSync(file, JSON.stringify(document));
    const { code, said } = await run(
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
    expect(said).toContain("Response violates schema");
    expect(said).toContain("Undocumented status code");
    expect(said).toContain("Schema-valid request rejected");
  });
});
