import { createApp } from "../../src/http/app.ts";
import { createLog, logUnexpected } from "../../src/telemetry/log.ts";

/**
 * A program whose authenticator throws errors that contain the token. It runs once with the default `onError`, and once with
 * the log.
 */

const options = {
  mint: () => {
    throw new Error("not reached");
  },
  authenticate: (request: Request) => {
    const token = request.headers.get("Authorization");
    throw Object.assign(new TypeError(`can't look up ${token}`, { cause: new Error(`no such ${token}`) }), {
      token,
    });
  },
  grant: () => {
    throw new Error("not reached");
  },
  servers: { websocket: [], tcp: [] },
};
const logging = createLog();
for (const app of [createApp(options), createApp({ ...options, onError: logUnexpected(logging.log) })]) {
  const response = await app.request("/creds", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: process.env.TOKEN ?? "" },
    body: "{}",
  });
  console.log(response.status, await response.text());
}
await logging.close();
