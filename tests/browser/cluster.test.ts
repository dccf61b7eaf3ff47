import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Cluster, startCluster } from "./cluster.ts";
import { useEnvironment } from "./environment.ts";
import { measure, printMeasures } from "./measures.ts";
import { PERFECT } from "./publishers.ts";
import { disturbances } from "./scenario.ts";
import { type Outcome, stream, WAYS } from "./stream.ts";

/** Renewal in a cluster: each new connection is to another server than the one before. */

let cluster: Cluster;
// Hooks run in this order: the cluster's files are in a directory that the environment removes.
afterAll(() => cluster?.[Symbol.asyncDispose]());
const environment = useEnvironment();
beforeAll(async () => {
  cluster = await startCluster(environment.recipe);
  environment.servers.splice(0, 1, ...cluster.ports.map(({ nats }) => `nats://127.0.0.1:${nats}`));
});
printMeasures();

/** Milliseconds in each direction. */
const delay = 10;

for (const client of ["nats.ws", "nats-core"] as const) {
  describe(`renewals of a ${client} connection from one server to another, at a round trip of ${2 * delay} ms,`, () => {
    let outcome: Outcome;
    beforeAll(async () => {
      const targets = cluster.ports.map(({ webSocket }) => webSocket);
      await using user = await environment.user({ delay, targets });
      outcome = await stream(environment, user, { client, renewals: 6 });
      for (const way of WAYS) {
        const { lost, repeated, reordered } = outcome.received[way];
        measure(
          `${client}, cluster, ${2 * delay} ms, ${way}: of ${outcome.messages}`,
          `${lost} lost, ${repeated} repeated, ${reordered} reordered`,
          "longest pause before",
          outcome.calm[way],
          "while renewing",
          outcome.renewing[way],
        );
      }
    });

    test.each([...WAYS])("lose, repeat and reorder nothing: %s", (way) => {
      expect(outcome.received[way]).toEqual(PERFECT);
    });

    test("fail no request, no flush and no publish", () => {
      expect(outcome.errors).toEqual([]);
      expect(outcome.published).toEqual(PERFECT);
    });

    test("cause no status event of the client", () => {
      expect(disturbances(outcome.statuses)).toEqual([]);
    });
  });
}
