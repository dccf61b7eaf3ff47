import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ARGUMENTS, executablePath } from "./chromium.ts";

/**
 * A browser that is controlled by the DevTools protocol only. Playwright emulates focus for every page, and a focused page
 * cannot be frozen.
 */

export interface RawPage {
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Loads this address; resolves when it is loaded. */
  navigate(url: string): Promise<void>;
  /** Evaluates an expression; awaits it if it is a promise. */
  evaluate<T>(expression: string): Promise<T>;
}

export type RawBrowser = Awaited<ReturnType<typeof launchRaw>>;

export async function launchRaw() {
  const profile = mkdtempSync(join(tmpdir(), "browser-"));
  const flags = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${profile}`];
  const child = spawn(await executablePath(), [...ARGUMENTS, ...flags, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  let address = "";
  for await (const line of createInterface(child.stderr)) {
    address = /^DevTools listening on ws:\/\/([^/]+)/.exec(line)?.[1] ?? "";
    if (address) break;
  }
  child.stderr.resume();
  const sockets: WebSocket[] = [];

  return {
    /** Opens a page in a new tab; resolves when it is loaded. */
    async open(url: string): Promise<RawPage> {
      const response = await fetch(`http://${address}/json/new?about:blank`, { method: "PUT" });
      const { webSocketDebuggerUrl } = (await response.json()) as { webSocketDebuggerUrl: string };
      const socket = new WebSocket(webSocketDebuggerUrl);
      sockets.push(socket);
      await new Promise((resolve) => socket.addEventListener("open", resolve));
      const page = attach(socket);
      await page.send("Page.enable");
      await page.navigate(url);
      return page;
    },

    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.close();
      child.kill("SIGKILL");
      await exited;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

interface CommandResponse {
  readonly id: number;
  readonly result: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

function attach(socket: WebSocket): RawPage {
  const waiting = new Map<number, (response: CommandResponse) => void>();
  const loading = new Set<() => void>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const response = JSON.parse(String(data)) as CommandResponse & { method?: string };
    if (response.method === "Page.loadEventFired") for (const resolve of loading) resolve();
    waiting.get(response.id)?.(response);
    waiting.delete(response.id);
  });
  const loaded = () => new Promise<void>((resolve) => loading.add(resolve));
  const page: RawPage = {
    async send(method, params = {}) {
      const id = ++last;
      const response = new Promise<CommandResponse>((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method, params }));
      const { result, error } = await response;
      if (error) throw new Error(`${method}: ${error.message}`);
      return result;
    },
    async navigate(url) {
      const done = loaded();
      await page.send("Page.navigate", { url });
      await done;
    },
    async evaluate<T>(expression: string) {
      const response = await page.send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
        userGesture: true,
      });
      const { result, exceptionDetails } = response as {
        result: { value: T };
        exceptionDetails?: { exception?: { description?: string } };
      };
      if (exceptionDetails)
        throw new Error(
          exceptionDetails.exception?.description ?? "the expression threw an error on the page",
        );
      return result.value;
    },
  };
  return page;
}
