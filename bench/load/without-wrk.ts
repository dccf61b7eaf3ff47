import { readFileSync } from "node:fs";
import autocannon from "autocannon";

/** The same requests as `wrk.lua`, for machines without wrk: `<url> <connections> <seconds>`, then the arguments of `wrk.lua`. */

const [, , url = "", connections, seconds, keysFile = "", tokensFile = "", first] = process.argv;
const lines = (file: string) => readFileSync(file, "utf8").trim().split("\n");
const keys = lines(keysFile);
const tokens = tokensFile ? lines(tokensFile) : undefined;
let number = Number(first);

const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  method: "POST",
  requests: [
    {
      setupRequest(request) {
        const public_key = keys[number % keys.length];
        const token = tokens?.[number % tokens.length];
        const headers = {
          "Content-Type": "application/json",
          ...(token && { Authorization: `Bearer ${token}` }),
        };
        const body = JSON.stringify(tokens ? { public_key } : { user: `user-${number}`, public_key });
        number++;
        return { ...request, headers, body };
      },
    },
  ],
});
console.log(
  JSON.stringify({
    requests: result["2xx"] + result.non2xx,
    seconds: result.duration,
    p99: result.latency.p99,
    failed: result.errors + result.non2xx + result.timeouts,
  }),
);
