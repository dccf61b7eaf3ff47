import { describe, expect, test } from "bun:test";
import { BODY, HEAD, type Service, start } from "./service.ts";

/** Many clients begin requests and withhold the bodies. Another client sends whole requests, and always gets a credential. */

const WITHHELD = [
  `${HEAD}Content-Length: 500\r\n\r\n`,
  `${HEAD}Content-Length: 500\r\n\r\n{"user":`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\n{"us`,
];
/** The number of requests that each client begins, one after the other. */
const ROUNDS = 2;

/**
 * Many clients, with `each` connections from each address, which are opened again when they are closed. They begin one
 * after the other: the service may refuse thousands at the same moment, with bodies or without.
 */
async function withholdBodies(
  service: Service,
  addresses: readonly string[],
  each: number,
): Promise<string[]> {
  let begun: Promise<unknown> = Promise.resolve();
  function begin(text: string, address: string) {
    const connection = begun.then(async () => {
      const opened = service.open("", address);
      await opened.send(text);
      return opened;
    });
    begun = connection;
    return connection;
  }
  const all = addresses.flatMap((address) => Array<string>(each).fill(address));
  const responses = all.map(async (address, i) => {
    const text = WITHHELD[i % WITHHELD.length] as string;
    const rounds: string[] = [];
    while (rounds.length < ROUNDS) rounds.push(await (await begin(text, address)).closed);
    return rounds;
  });
  return (await Promise.all(responses)).flat();
}

/** Many clients on connections of a proxy that names them. */
async function withholdBodiesBehindProxy(service: Service, clients: readonly string[]): Promise<string[]> {
  const responses = clients.map(
    (client) => service.open(`${HEAD}X-Forwarded-For: ${client}\r\nContent-Length: 500\r\n\r\n{`).closed,
  );
  return Promise.all(responses);
}

interface WholeRequests {
  /** More header lines. */
  readonly more?: string;
  /** Sends its body together with its head, instead of in a second write. */
  readonly together?: boolean;
}

/** Sends one request after the other until the work is done. */
async function requestMeanwhile(
  service: Service,
  work: Promise<unknown>,
  { more = "", together = false }: WholeRequests,
): Promise<number[]> {
  const statuses: number[] = [];
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const head = `${HEAD}${more}Connection: close\r\nContent-Length: ${BODY.length}\r\n\r\n`;
    const connection = service.open("");
    await connection.send(together ? head + BODY : head);
    if (!together) connection.write(BODY);
    statuses.push(Number(/^HTTP\/1\.1 (\d{3}) /.exec(await connection.closed)?.[1]));
  }
  await over;
  return statuses;
}

async function expectServed(
  service: Service,
  work: Promise<string[]>,
  options: WholeRequests = {},
): Promise<void> {
  const statuses = await requestMeanwhile(service, work, options);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(statuses.length).toBeGreaterThan(20);
  const responses = (await work).map((response) => response.slice(0, "HTTP/1.1 408".length));
  expect([...new Set(responses)]).toEqual(["HTTP/1.1 408"]);
}

/** With the service's own limits of requests. */
const startWithDefaults = (more: Record<string, string> = {}) =>
  start({ IN_FLIGHT: "2000", BODIES: "2000", ...more }, "tests/edge/held-service.ts");

const range = (length: number, address: (i: number) => string) =>
  Array.from({ length }, (_, i) => address(i));

// Other systems have no other address of 127.0.0.0/8.
describe.skipIf(process.platform !== "linux")("a client gets every credential", () => {
  const cases: Record<string, [addresses: string[], each: number]> = {
    "beside 2,400 requests without bodies from four addresses": [range(4, (i) => `127.0.0.${i + 2}`), 600],
    "beside 10 from each of 240 addresses": [range(240, (i) => `127.0.1.${i + 1}`), 10],
    "beside 1 from each of 2,400 addresses": [
      range(2400, (i) => `127.0.${2 + Math.floor(i / 240)}.${(i % 240) + 1}`),
      1,
    ],
  };
  for (const [what, [addresses, each]] of Object.entries(cases)) {
    test(what, async () => {
      await using service = await startWithDefaults();
      await expectServed(service, withholdBodies(service, addresses, each));
    });
  }

  // If its head and body arrived apart, a hundred of the others could arrive in between and displace it.
  test("beside 2,400 from its own address, if its body arrives with its head", async () => {
    await using service = await startWithDefaults();
    await expectServed(service, withholdBodies(service, ["127.0.0.1"], 2400), { together: true });
  });

  test("beside 2,400 from two /64 behind the same trusted proxy", async () => {
    await using service = await startWithDefaults({ PROXY: "127.0.0.1" });
    const clients = range(2400, (i) => `2001:db8:0:${i % 2}::${(i + 1).toString(16)}`);
    await expectServed(service, withholdBodiesBehindProxy(service, clients), {
      more: "X-Forwarded-For: 192.0.2.1\r\n",
    });
  });
});
