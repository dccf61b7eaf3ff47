import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Bundles the demo page into a directory, which is replaced: `bun demo/build.ts <directory>`, or `buildDemo`. It takes some
 * 50 ms. src/service/demo-page.ts serves the page.
 */
export async function buildDemo(to: string): Promise<void> {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  const from = (name: string) => join(import.meta.dirname, name);
  await Bun.build({
    entrypoints: [from("main.ts"), from("style.css")],
    outdir: to,
    target: "browser",
    minify: true,
    plugins: [{ name: "no crypto", setup: leaveOutCrypto }],
  });
  // Not copied with its mode: the file of the checkout may be readable for its owner only.
  writeFileSync(join(to, "index.html"), readFileSync(from("index.html")));
}

/** nats.ws imports Node's crypto for places without WebCrypto. Bun would replace it by a polyfill of 160 KB. */
function leaveOutCrypto(build: Bun.PluginBuilder): void {
  build.onResolve({ filter: /^crypto$/ }, ({ path }) => ({ path, namespace: "none" }));
  build.onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "", loader: "js" }));
}

if (import.meta.main) {
  const [, , to] = process.argv;
  if (!to) throw new Error("no directory given: bun demo/build.ts <directory>");
  await buildDemo(to);
}
