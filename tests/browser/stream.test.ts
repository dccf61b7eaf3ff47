import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { measure, printMeasures } from "./measures.ts";
import { disturbances } from "./play.ts";
import { PERFECT } from "./publishers.ts";
import { makeStage, type Stage } from "./stage.ts";
import { type Outcome, stream, WAYS } from "./stream.ts";

/** Renewal under load, beside what happens without this module. */

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
printMeasures();

const RENEWALS = 10;
/** Enough to show what each costs. */
const NAIVE_RENEWALS = 3;

for (const client of ["nats.ws", "nats-core"] as const) {
  for (const delay of [0, 75]) {
    describe(`ten renewals of a ${client} connection at a round trip of ${2 * delay} ms`, () => {
      let outcome: Outcome;
      beforeAll(async () => {
        await using scene = await stage.scene({ delay });
        outcome = await stream(stage, scene, { client, renewals: RENEWALS });
        report(`${client}, ${2 * delay} ms, ${RENEWALS} × session.refresh()`, outcome);
        await using other = await stage.scene({ delay });
        const naive = await stream(stage, other, { client, renewals: NAIVE_RENEWALS, isNaive: true });
        report(`${client}, ${2 * delay} ms, ${NAIVE_RENEWALS} × nc.reconnect()`, naive);
      });

      test.each([...WAYS])("lose, repeat and disorder nothing: %s", (way) => {
        expect(outcome.heard[way]).toEqual(PERFECT);
      });

      test("fail no request, no flush and no publish", () => {
        expect(outcome.refused).toEqual([]);
      });

      test("lose, repeat and disorder nothing that the page publishes", () => {
        expect(outcome.published).toEqual(PERFECT);
      });

      test("are not noticed by the client", () => {
        expect(disturbances(outcome.statuses)).toEqual([]);
      });
    });
  }
}

function report(
  what: string,
  { heard, messages, published, refused, done, statuses, calm, renewing }: Outcome,
) {
  for (const way of WAYS) {
    const { lost, repeated, disordered } = heard[way];
    measure(
      `${what}, ${way}: of ${messages}`,
      `${lost} lost, ${repeated} repeated, ${disordered} disordered`,
      `longest pause before`,
      calm[way],
      "while renewing",
      renewing[way],
    );
  }
  measure(
    `${what}, the page's own`,
    `${refused.length} of ${done.requests} requests and ${done.flushes} flushes failed`,
    `${published.lost} of ${done.publishes} publishes lost`,
    `told: ${[...new Set(statuses)].join(" ") || "nothing"}`,
  );
}
