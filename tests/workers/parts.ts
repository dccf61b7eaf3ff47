import { connect } from "node:net";
import { GOOD, HALF, open, type Service } from "../edge/service.ts";

/** Shared by these tests: which worker a connection has reached, and a client that sends requests until it is closed. */

type Line = Record<string, unknown>;

/** The log so far, without incomplete lines and output that is not of the log. */
export const linesOf = ({ output }: Pick<Service, "output">): Line[] =>
  output()
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

/** The process id of each worker's current process. */
export function pids(service: Service): Map<number, number> {
  const ready = linesOf(service).filter(({ msg }) => msg === "worker ready");
  return new Map(ready.map(({ worker, pid }) => [worker as number, pid as number]));
}

/** The audit line of this request, once it is in the log. */
export async function decided(service: Service, requestId: string): Promise<Line> {
  await service.waitFor(new RegExp(`"${requestId}".*\n`));
  return linesOf(service).find(({ request_id }) => request_id === requestId) ?? {};
}

const requestIds = (text: string) =>
  [...text.matchAll(/^x-request-id: (.*)\r$/gim)].map(([, id]) => id ?? "");

/** A connection that stays open between requests. */
export function connection(service: Service) {
  const it = open(service.port, "");
  return {
    ...it,
    /** Requests a credential, and returns the number of the worker that granted it. */
    async requestCreds(): Promise<number> {
      const before = requestIds(it.output()).length;
      it.write(GOOD);
      await it.waitFor(new RegExp(`(HTTP/1\\.1 200[\\s\\S]*"user":"alice"[\\s\\S]*){${before + 1}}`));
      const { worker } = await decided(service, requestIds(it.output())[before] ?? "");
      return worker as number;
    },
  };
}

/** `each` connections to each of the workers 1 to `count`. The system chooses the worker, so it tries until it has them. */
export async function connectionsToEach(service: Service, count: number, each = 1) {
  const found = Array.from({ length: count }, () => [] as ReturnType<typeof connection>[]);
  while (found.some(({ length }) => length < each)) {
    const one = connection(service);
    const mine = found[(await one.requestCreds()) - 1];
    if (mine && mine.length < each) mine.push(one);
    else one.destroy();
  }
  return found;
}

/** Two connections to each worker: one whose request is half sent and being read, and one that is idle. */
export async function halfSent(service: Service) {
  const all = await connectionsToEach(service, 2, 2);
  for (const [half] of all) {
    half?.write(HALF);
    await half?.waitFor(/100 Continue/);
  }
  return { halves: all.map(([half]) => half), idle: all.map(([, idle]) => idle) };
}

/** Sends requests on one connection, each after the response to the last. Returns the ids of the responses when it closes. */
export function askRepeatedly(port: number): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const received: string[] = [];
  const socket = connect(port, "127.0.0.1", () => socket.write(GOOD));
  let response = "";
  socket.on("data", (data) => {
    response += data;
    const [head = "", body] = response.split("\r\n\r\n");
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    if (body === undefined || Buffer.byteLength(body) < length) return;
    if (head.startsWith("HTTP/1.1 200")) received.push(...requestIds(`${head}\r\n`));
    response = "";
    socket.write(GOOD);
  });
  // A reset also ends the connection, and `close` follows.
  socket.on("error", () => {});
  socket.on("close", () => resolve(received));
  return promise;
}
