import { createLog } from "../../src/telemetry/log.ts";

/** Several processes that write so many lines each, of very different lengths, to one log. */

const [, , count, number] = process.argv;
const PROCESSES = 4;

if (number === undefined) {
  const children = Array.from({ length: PROCESSES }, (_, index) =>
    Bun.spawn([process.execPath, "--no-env-file", Bun.main, count ?? "", String(index)], {
      stdio: ["ignore", "inherit", "inherit"],
    }),
  );
  await Promise.all(children.map(({ exited }) => exited));
} else {
  const { log, close } = createLog({ shared: true, fields: { worker: Number(number) } });
  for (let line = 0; line < Number(count); line++) {
    log.info({ line, padding: "é".repeat((line * 37) % 1500) }, "a line");
    // In pieces, as requests come.
    if (line % 100 === 0) await Bun.sleep(0);
  }
  await close();
}
