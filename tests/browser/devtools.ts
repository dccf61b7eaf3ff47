import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ARGUMENTS, executablePath } from "./chromium.ts";

/**
 * A browser by the DevTools protocol alone. Playwright makes every page believe that it is looked at, and such a page
 * can neither be frozen nor kept in the back/forward cache.
 */

export interface RawPage {
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Goes to this address; resolves when it's loaded. */
  navigate(url: string): Promise<void>;
  /** Evaluates an expression or a promise of it. */
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
    /** A new page of its own window, loaded. */
    async open(url: string): Promise<RawPage> {
      const answer = await fetch(`http://${address}/json/new?about:blank`, { method: "PUT" });
      const { webSocketDebuggerUrl } = (await answer.json()) as { webSocketDebuggerUrl: string };
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

interface Answer {
  readonly id: number;
  readonly result: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

function attach(socket: WebSocket): RawPage {
  const waiting = new Map<number, (answer: Answer) => void>();
  const loading = new Set<() => void>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer & { method?: string };
    if (answer.method === "Page.loadEventFired") for (const resolve of loading) resolve();
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const loaded = () => new Promise<void>((resolve) => loading.add(resolve));
  const page: RawPage = {
    async send(method, params = {}) {
      const id = ++last;
      const answer = new Promise<Answer>((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method, params }));
      const { result, error } = await answer;
      if (error) throw new Error(`${method}: ${error.message}`);
      return result;
    },
    async navigate(url) {
      const done = loaded();
      await page.send("Page.navigate", { url });
      await done;
    },
    async evaluate<T>(expression: string) {
      const answer = await page.send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
        userGesture: true,
      });
      const { result, exceptionDetails } = answer as {
        result: { value: T };
        exceptionDetails?: { exception?: { description?: string } };
      };
      if (exceptionDetails)
        throw new Error(exceptionDetails.exception?.description ?? "it failed on the page");
      return result.value;
    },
  };
  return page;
}
