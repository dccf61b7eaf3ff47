import { credentials, liveCredentials } from "../../src/node/index.ts";
import { CLIENTS, clients } from "./clients.ts";

/** A program on Node or Deno. Arguments: the URL of `POST /creds`, and the scheme of servers to use. */

const [url = "", scheme = ""] = process.argv.slice(2);
const source = credentials({ url, user: "printer", role: "service" });
const done: Record<string, string[]> = {};

for (const name of CLIENTS) {
  const live = await liveCredentials(async (request) => {
    const response = await source(request);
    return { ...response, servers: response.servers.filter((server) => server.startsWith(scheme)) };
  });
  const nc = await clients[name](live);
  const received: string[] = [];
  nc.subscribe("services.printer.>", { callback: (_, message) => received.push(message.string()) });
  nc.publish("services.printer.a", "before");
  await nc.flush();
  await live.refresh();
  nc.publish("services.printer.a", "after");
  await nc.drain();
  live.close();
  done[name] = received;
}
// Nothing is left that keeps the process running.
console.log(JSON.stringify(done));
