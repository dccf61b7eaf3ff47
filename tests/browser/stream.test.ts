import { beforeAll, describe, expect, test } from "bun:test";
import { useEnvironment } from "./environment.ts";
import { measure, printMeasures } from "./measures.ts";
import { PERFECT } from "./publishers.ts";
import { disturbances } from "./scenario.ts";
import { type Outcome, stream, WAYS } from "./stream.ts";

/** Renewal under load, compared with a client that reconnects. */

const environment = useEnvironment();
printMeasures();

const RENEWALS = 10;
/** Enough for a comparison, which is measured at one of the round trips only. */
const RECONNECTING_RENEWALS = 3;
const RECONNECTING_DELAY = 75;

for (const client of ["nats.ws", "nats-core"] as const) {
  for (const delay of [0, 75]) {
    describe(`ten renewals of a ${client} connection at a round trip of ${2 * delay} ms`, () => {
      let outcome: Outcome;
      beforeAll(async () => {
        await using user = await environment.user({ delay });
        outcome = await stream(environment, user, { client, renewals: RENEWALS });
        report(`${client}, ${2 * delay} ms, ${RENEWALS} × refresh()`, outcome);
        if (delay !== RECONNECTING_DELAY) return;
        await using other = await environment.user({ delay });
        const reconnecting = await stream(environment, other, {
          client,
          renewals: RECONNECTING_RENEWALS,
          isReconnecting: true,
        });
        report(`${client}, ${2 * delay} ms, ${RECONNECTING_RENEWALS} × nc.reconnect()`, reconnecting);
      });

      test.each([...WAYS])("lose, repeat and reorder nothing: %s", (way) => {
        expect(outcome.received[way]).toEqual(PERFECT);
      });

      test("fail no request, no flush and no publish", () => {
        expect(outcome.errors).toEqual([]);
      });

      test("lose, repeat and reorder nothing that the page publishes", () => {
        expect(outcome.published).toEqual(PERFECT);
      });

      test("cause no status event of the client", () => {
        expect(disturbances(outcome.statuses)).toEqual([]);
      });
    });
  }
}

function report(
  what: string,
  { received, messages, published, errors, done, statuses, calm, renewing }: Outcome,
) {
  for (const way of WAYS) {
    const { lost, repeated, reordered } = received[way];
    measure(
      `${what}, ${way}: of ${messages}`,
      `${lost} lost, ${repeated} repeated, ${reordered} reordered`,
      `longest pause before`,
      calm[way],
      "while renewing",
      renewing[way],
    );
  }
  measure(
    `${what}, the page's own`,
    `${errors.length} of ${done.requests} requests and ${done.flushes} flushes failed`,
    `${published.lost} of ${done.publishes} publishes lost`,
    `status events: ${[...new Set(statuses)].join(" ") || "none"}`,
  );
}
