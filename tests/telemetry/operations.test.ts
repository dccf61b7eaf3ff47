import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Decision } from "../../src/core/decision.ts";
import { createAudit } from "../../src/telemetry/audit.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { blocks, codeSpans, rows, section } from "../docs/markdown.ts";

/** docs/monitoring.md agrees with the metrics and audit lines of the service. */

const guide = readFileSync(join(import.meta.dirname, "../../docs/monitoring.md"), "utf8");

/** The metrics of a service that has done everything once: name, type and labels. */
async function exported(): Promise<Map<string, { type: string; labels: Set<string> }>> {
  const metrics = createMetrics({ version: "1", keyAges: () => [{ issuer: "https://i", seconds: 1 }] });
  metrics.keysLoaded();
  metrics.handled({ route: "/creds", method: "POST", status: 200, duration: 1 });
  metrics.decided({
    outcome: "granted",
    code: "granted",
    status: 200,
    requestId: "",
    duration: 1,
    mintDuration: 1,
  });
  const { body } = await metrics.render();
  const all = new Map(
    [...body.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = "", type = ""]) => [
      name,
      { type, labels: new Set<string>() },
    ]),
  );
  for (const [, sample = "", labels = ""] of body.matchAll(/^(\w+)\{(.*)\} /gm)) {
    const metric = all.get(sample) ?? all.get(sample.replace(/_(bucket|sum|count)$/, ""));
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) metric?.labels.add(label);
  }
  return all;
}

const table = rows(section(guide, "## Metrics"), "metric").flatMap(([names = "", type = "", text = ""]) =>
  codeSpans(names).map((name) => ({ name, type, text })),
);

describe("the table of metrics", () => {
  test("has each metric, with its type, and no other", async () => {
    const real = [...(await exported())].map(([name, { type }]) => `${name} ${type}`);
    expect(table.map(({ name, type }) => `${name} ${type}`).sort()).toEqual(real.sort());
  });

  test("names the labels of each", async () => {
    const real = await exported();
    for (const { name, text } of table) {
      const labels = [...(real.get(name)?.labels ?? [])].filter((label) => label !== "le");
      expect([name, labels.filter((label) => !codeSpans(text).includes(label))]).toEqual([name, []]);
    }
  });
});

test("alerts use existing metrics and labels", async () => {
  const real = await exported();
  const queries = blocks(guide).filter(({ language }) => language === "promql");
  expect(queries.length).toBeGreaterThan(8);
  for (const { text } of queries) {
    for (const [, name = "", labels = ""] of text.matchAll(/\b((?:nats_mint|process)_\w+)(?:\{(.*?)\})?/g)) {
      const metric = real.get(name) ?? real.get(name.replace(/_(bucket|sum|count)$/, ""));
      expect([name, metric !== undefined]).toEqual([name, true]);
      for (const [, label = ""] of labels.matchAll(/(\w+)=?[=!~]/g)) {
        // Prometheus adds `job` itself.
        if (label !== "job")
          expect([name, [...(metric?.labels ?? [])]]).toEqual([name, expect.arrayContaining([label])]);
      }
    }
  }
});

describe("the audit lines", () => {
  const decision: Decision = {
    outcome: "granted",
    code: "granted",
    status: 200,
    requestId: "id",
    address: "192.0.2.1",
    method: "oidc",
    issuer: "i",
    subject: "s",
    credential: {
      account: "A",
      role: "r",
      user: "u",
      tags: { a: "b" },
      publicKey: "U",
      jti: "j",
      expiresAt: 1,
    },
    duration: 1,
  };

  const asWritten = (line: object) => JSON.parse(JSON.stringify(line));

  function written(): Record<string, unknown>[] {
    const lines: Record<string, unknown>[] = [];
    const { audit, close } = createAudit(
      { info: (line, msg) => lines.push(asWritten({ ...line, msg })) },
      () => 0,
    );
    audit(decision);
    const { credential: _, issuer: __, subject: ___, method: ____, ...unauthenticated } = decision;
    for (let i = 0; i < 30; i++) {
      audit({ ...unauthenticated, outcome: "refused", code: "unauthorized", reason: "expired", status: 401 });
    }
    close();
    return [lines[0], lines[1], lines.at(-1)].map((line) => line ?? {});
  }

  test("have the fields of the table, and no others", () => {
    const [granted = {}, refused = {}] = written();
    const fields = new Set([...Object.keys(granted), ...Object.keys(refused)]);
    fields.delete("msg");
    const documented = rows(section(guide, "## Audit lines"), "field").flatMap(([names = ""]) =>
      codeSpans(names),
    );
    expect(documented.sort()).toEqual([...fields].sort());
  });

  test("look like the examples", () => {
    const examples = blocks(guide)
      .filter(({ language }) => language === "json")
      .flatMap(({ text }) => text.trim().split("\n"))
      .map((line) => Object.keys(JSON.parse(line)));
    expect(examples).toEqual(written().map((line) => ["level", "time", ...Object.keys(line)]));
  });
});
