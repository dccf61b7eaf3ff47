import { createApp } from "../../src/http/app.ts";
import { createLog, logUnexpected } from "../../src/telemetry/log.ts";

/** A program whose application's authenticator fails and says why, with the token: once for each way to be told of it. */

const options = {
  mint: () => {
    throw new Error("nobody gets this far");
  },
  authenticate: (request: Request) => {
    const token = request.headers.get("Authorization");
    throw Object.assign(new TypeError(`can't look up ${token}`, { cause: new Error(`no such ${token}`) }), {
      token,
    });
  },
  grant: () => {
    throw new Error("nobody gets this far");
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
