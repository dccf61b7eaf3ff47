import { expect, test } from "bun:test";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

test("the browser module is at most 5.75 KiB, minified and gzipped", async () => {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dirname, "../../src/browser/index.ts")],
    target: "browser",
    minify: true,
  });
  const text = await (outputs[0] as Blob).text();
  const { length } = gzipSync(text, { level: 9 });
  console.log(`the browser module: ${length} bytes, minified and gzipped`);
  expect(length).toBeLessThanOrEqual(5.75 * 1024);
});
