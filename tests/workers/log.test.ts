import { expect, test } from "bun:test";
import { start } from "../edge/service.ts";
import { linesOf } from "./parts.ts";

/** The log of several workers under load, through a pipe that is full most of the time. */

const CLIENTS = 64;
const REQUESTS = 80;

test("every line is complete and none is missing", async () => {
  // Read in small blocks.
  await using service = await start({ MINT_WORKERS: "3" }, "src/service/main.ts", "dd bs=500 2>/dev/null");
  const requestIds: (string | null)[] = [];
  const clients = Array.from({ length: CLIENTS }, async () => {
    for (let i = 0; i < REQUESTS; i++)
      requestIds.push((await service.requestCreds()).headers.get("X-Request-Id"));
  });
  await Promise.all(clients);
  const granted = () => linesOf(service).filter(({ audit }) => audit === "granted");
  while (granted().length < CLIENTS * REQUESTS) await Bun.sleep(100);
  expect(
    granted()
      .map(({ request_id }) => request_id)
      .sort(),
  ).toEqual(requestIds.sort());
  expect(new Set(granted().map(({ worker }) => worker)).size).toBe(3);
});
