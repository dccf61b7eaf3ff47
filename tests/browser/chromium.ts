import npmChromium from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

/** Chromium: the program that `CHROMIUM` names, or the one of the npm package. */

// Not the arguments of the package: they turn off protections of pages.
export const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  // A host name of this machine that is no secure context for browsers.
  "--host-resolver-rules=MAP page.test 127.0.0.1",
];

/** The path of the program. The package unpacks it at the first call. */
export const executablePath = async (): Promise<string> =>
  process.env.CHROMIUM || (await npmChromium.executablePath());

/** Starts a browser without a page. `await using` closes it. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await executablePath(), args: ARGUMENTS });
}
