import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Bundles the demo page into a directory: `bun demo/build.ts <directory>`, or `buildDemo`. Takes some 50 ms.
 * src/service/demo-page.ts serves it.
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
  // Not copied: the mode of the checkout's file may be for nobody else.
  writeFileSync(join(to, "index.html"), readFileSync(from("index.html")));
}

/** nats.ws asks for Node's crypto where there is none of the browser's. Bun would bring 160 KB in its place. */
function leaveOutCrypto(build: Bun.PluginBuilder): void {
  build.onResolve({ filter: /^crypto$/ }, ({ path }) => ({ path, namespace: "none" }));
  build.onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "", loader: "js" }));
}

if (import.meta.main) {
  const [, , to] = process.argv;
  if (!to) throw new Error("which directory?");
  await buildDemo(to);
}
