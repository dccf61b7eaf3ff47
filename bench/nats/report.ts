import { figure } from "../chart.ts";
import { FIRST_SEEN } from "../http.ts";
import type { Machine } from "../machine.ts";
import { conditions, table } from "../report.ts";
import { type Rounds, ratio, spread, spreadOf } from "../rounds.ts";
import { mostBrowsers, type Need, need, type Rates } from "./capacity.ts";
import { type NatsSide, nameOf, ROUNDS, SECONDS } from "./part.ts";
import { INLINE, INLINE_LARGE, SCOPED, SCOPED_LARGE } from "./users.ts";

/** The text about logins in docs/performance.md. */

const BROWSERS = [10_000, 100_000, 1_000_000];

/** @param http  the results of the mint in the same run */
export function natsBlock(taken: NatsSide, machine: Machine, http: Rounds | undefined): string[] {
  const { rounds, stays, ttl } = taken;
  const logins = spreadOf(rounds, nameOf(SCOPED, "WebSocket"), "perProcessorSecond")?.median;
  const bytes = spread(stays.map((stay) => stay.bytes))?.median;
  // With a new token for each request: tokens seldom live longer than a credential.
  const credentials = http && spreadOf(http, FIRST_SEEN, "perProcessorSecond")?.median;
  return [
    conditions(machine, { rounds: ROUNDS, seconds: SECONDS }),
    "",
    ...loginsTable(taken),
    "",
    ...scopedAndInline(rounds),
    "",
    ...staysLines(taken),
    ...(logins ? ["", ...capacityLines({ ttl, logins, bytes, credentials })] : []),
  ];
}

function loginsTable({ rounds, logins }: NatsSide): string[] {
  const rows = [...rounds.keys()].map((name) => {
    const own = logins.filter((login) => login.name === name);
    const median = (values: readonly number[]) => spread(values)?.median ?? Number.NaN;
    if (!own[0]) return [name, "not measured", "", "", "", "", ""];
    return [
      name,
      `${own[0].jwtBytes} bytes`,
      `${own[0].connectBytes} bytes`,
      `${median(own.map(({ alone }) => alone)).toFixed(1)} ms`,
      `${median(own.map(({ p99 }) => p99)).toFixed(1)} ms`,
      range(spreadOf(rounds, name)),
      range(spreadOf(rounds, name, "perProcessorSecond")),
    ];
  });
  const head = ["credential", "JWT", "CONNECT", "one login", "p99", "per second", "per processor second"];
  return table(head, rows);
}

/** Compares inline logins with scoped ones. */
function scopedAndInline(rounds: Rounds): string[] {
  const pair = (what: string, scoped: string, inline: string) => {
    const times = ratio(
      rounds,
      nameOf(scoped, "WebSocket"),
      nameOf(inline, "WebSocket"),
      "perProcessorSecond",
    );
    return times
      ? `${what} ${times.median.toFixed(2)} (${times.least.toFixed(2)} to ${times.most.toFixed(2)})`
      : [];
  };
  const pairs = [
    pair("with the role `browser`", SCOPED, INLINE),
    pair("with 50 subjects", SCOPED_LARGE, INLINE_LARGE),
  ].flat();
  if (pairs.length === 0) return [];
  return [`Scoped logins per second of processor time, relative to inline logins: ${pairs.join(", ")}.`];
}

function staysLines({ stays }: NatsSide): string[] {
  const seconds = spread(stays.map((stay) => stay.seconds));
  const cutOff = spread(stays.map((stay) => stay.cutOff));
  const bytes = spread(stays.map((stay) => stay.bytes));
  if (!seconds || !bytes || !cutOff) return ["Connected pages were not measured."];
  const kilobytes = (value: number) => (value / 1000).toFixed(0);
  return [
    `${figure(stays[0]?.pages ?? 0)} pages that log in at the same moment are all logged in after ${seconds.median.toFixed(1)} s (${seconds.least.toFixed(1)} to ${seconds.most.toFixed(1)}); ${cutOff.median} logins (${cutOff.least} to ${cutOff.most}) exceeded the time limit of the server and were repeated. Each connected page, over WebSocket with two subscriptions, needs ${kilobytes(bytes.median)} kB of the server's memory (${kilobytes(bytes.least)} to ${kilobytes(bytes.most)}).`,
  ];
}

function capacityLines(rates: Rates): string[] {
  const { ttl, logins, credentials } = rates;
  const rows = BROWSERS.map((browsers) => row(need(browsers, rates)));
  const head = [
    "browsers",
    "renewals per second",
    "mint",
    "server",
    "memory of the server",
    "all reconnected: mint",
    "all reconnected: server",
  ];
  const most = `One core of the server can keep at most ${figure(mostBrowsers(logins, rates))} browsers logged in`;
  return [
    `Calculated from this, for credentials with a lifetime of ${ttl / 60} minutes:`,
    "",
    ...table(head, rows),
    "",
    credentials
      ? `${most}, and one core of the mint can renew the credentials of at most ${figure(mostBrowsers(credentials, rates))}.`
      : `${most}. The mint was not measured in this run: \`npm run bench -- http nats\` does both.`,
  ];
}

function row(of: Need): string[] {
  return [
    figure(of.browsers),
    of.renewalsPerSecond < 100 ? of.renewalsPerSecond.toFixed(0) : figure(of.renewalsPerSecond),
    share(of.mintLoad),
    share(of.serverLoad),
    of.memory === undefined ? "—" : `${(of.memory / 1e9).toPrecision(2)} GB`,
    duration(of.mintReturn),
    duration(of.serverReturn),
  ];
}

/** The share of one core. */
const share = (load: number | undefined) =>
  load === undefined ? "—" : load < 1 ? `${(load * 100).toPrecision(2)} %` : `${load.toFixed(1)} cores`;

function duration(seconds: number | undefined): string {
  if (seconds === undefined) return "—";
  return seconds < 100 ? `${seconds.toPrecision(2)} s` : `${(seconds / 60).toPrecision(2)} min`;
}

const range = (of: { median: number; least: number; most: number } | undefined) =>
  of ? `${figure(of.median)} (${figure(of.least)} to ${figure(of.most)})` : "—";
