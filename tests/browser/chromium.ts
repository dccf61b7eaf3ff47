import npmChromium from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

/** Chromium: the one of `CHROMIUM`, or the one that came with the packages. */

// Not the package's own arguments: they turn off what a page is guarded by.
export const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  // A host of this machine that a browser doesn't take for secure.
  "--host-resolver-rules=MAP page.test 127.0.0.1",
];

/** Where the program is; the package unpacks it at the first call. */
export const executablePath = async (): Promise<string> =>
  process.env.CHROMIUM || (await npmChromium.executablePath());

/** A browser of its own, without a page yet. `await using` closes it. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await executablePath(), args: ARGUMENTS });
}
