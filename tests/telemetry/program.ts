import { createLog, logCrashes } from "../../src/telemetry/log.ts";

/** A program that logs `count` lines and then ends as `ending` says, or logs more until it is stopped. */

const [, , ending, count] = process.argv;
const service = createLog();
logCrashes(service);
const { log } = service;

process.once("SIGTERM", async () => {
  log.info({ dropped: service.dropped() }, "stopping");
  const began = performance.now();
  await service.close();
  console.error(`closed in ${Math.round(performance.now() - began)} ms`);
  process.exit(0);
});

const padding = "x".repeat(300);
for (let line = 0; line < Number(count); line++) log.info({ line, padding }, "a line");

if (ending === "throw") throw new TypeError("bad token eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
if (ending === "reject") Promise.reject(new TypeError("bad token eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
if (ending === "exit") {
  await service.close();
  process.exit(3);
}
if (ending === "wait") {
  console.error("logged");
  setInterval(() => {}, 1000);
}
if (ending === "count") {
  let written = 0;
  const flood = setInterval(() => {
    for (let line = 0; line < 1000; line++) log.info({ line, padding }, "a line");
    written += 1000;
    if (service.dropped() < 50_000) return;
    clearInterval(flood);
    console.error("flooded");
    // Seldom enough for the lines before to be written or dropped by then.
    setInterval(() => log.info({ written: written++, dropped: service.dropped() }, "count"), 100);
  });
}
if (ending === "go on") {
  let reported = false;
  setInterval(() => {
    for (let line = 0; line < 1000; line++) log.info({ line, padding }, "a line");
    if (!reported && service.dropped() > 50_000) {
      reported = true;
      console.error(`dropped ${service.dropped()}, memory ${process.memoryUsage().rss}`);
    }
  });
}
