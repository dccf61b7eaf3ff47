import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Cluster, startCluster } from "./cluster.ts";
import { measure, printMeasures } from "./measures.ts";
import { disturbances } from "./play.ts";
import { PERFECT } from "./publishers.ts";
import { makeStage, type Stage } from "./stage.ts";
import { type Outcome, stream, WAYS } from "./stream.ts";

/** Renewal where each new connection lands on another server than the one before. */

let stage: Stage;
let cluster: Cluster;
beforeAll(async () => {
  stage = await makeStage();
  cluster = await startCluster(stage.recipe);
  stage.servers.splice(0, 1, ...cluster.ports.map(({ nats }) => `nats://127.0.0.1:${nats}`));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});
printMeasures();

/** Milliseconds each way. */
const delay = 10;

for (const client of ["nats.ws", "nats-core"] as const) {
  describe(`renewals of a ${client} connection from one server to another, at a round trip of ${2 * delay} ms,`, () => {
    let outcome: Outcome;
    beforeAll(async () => {
      const targets = cluster.ports.map(({ webSocket }) => webSocket);
      await using scene = await stage.scene({ delay, targets });
      outcome = await stream(stage, scene, { client, renewals: 6 });
      for (const way of WAYS) {
        const { lost, repeated, disordered } = outcome.heard[way];
        measure(
          `${client}, cluster, ${2 * delay} ms, ${way}: of ${outcome.messages}`,
          `${lost} lost, ${repeated} repeated, ${disordered} disordered`,
          "longest pause before",
          outcome.calm[way],
          "while renewing",
          outcome.renewing[way],
        );
      }
    });

    test.each([...WAYS])("lose, repeat and disorder nothing: %s", (way) => {
      expect(outcome.heard[way]).toEqual(PERFECT);
    });

    test("fail no request, no flush and no publish", () => {
      expect(outcome.refused).toEqual([]);
      expect(outcome.published).toEqual(PERFECT);
    });

    test("are not noticed by the client", () => {
      expect(disturbances(outcome.statuses)).toEqual([]);
    });
  });
}
