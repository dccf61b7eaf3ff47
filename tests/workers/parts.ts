import { connect } from "node:net";
import { GOOD, HALF, open, type Service } from "../edge/service.ts";

/** What these tests share: which worker a connection has reached, and a client that never stops asking. */

type Line = Record<string, unknown>;

/** The log so far. A line that is under way is left out, and so is what is no line of it. */
export const linesOf = ({ said }: Pick<Service, "said">): Line[] =>
  said()
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

/** The process of each worker, the present one. */
export function pids(service: Service): Map<number, number> {
  const listen = linesOf(service).filter(({ msg }) => msg === "a worker listens");
  return new Map(listen.map(({ worker, pid }) => [worker as number, pid as number]));
}

/** The decision with which a worker answered this request, once it is in the log. */
export async function decided(service: Service, requestId: string): Promise<Line> {
  await service.says(new RegExp(`"${requestId}".*\n`));
  return linesOf(service).find(({ request_id }) => request_id === requestId) ?? {};
}

const requestIds = (said: string) =>
  [...said.matchAll(/^x-request-id: (.*)\r$/gim)].map(([, id]) => id ?? "");

/** A connection that stays open, and asks when it is told to. */
export function connection(service: Service) {
  const it = open(service.port, "");
  return {
    ...it,
    /** Asks for a credential and gives the number of the worker that granted it. */
    async ask(): Promise<number> {
      const before = requestIds(it.said()).length;
      it.write(GOOD);
      await it.says(new RegExp(`(HTTP/1\\.1 200[\\s\\S]*"user":"alice"[\\s\\S]*){${before + 1}}`));
      const { worker } = await decided(service, requestIds(it.said())[before] ?? "");
      return worker as number;
    },
  };
}

/** So many connections to each of the workers 1 to `count`. The system chooses, so it may take a few more to get them. */
export async function connectionsToEach(service: Service, count: number, each = 1) {
  const found = Array.from({ length: count }, () => [] as ReturnType<typeof connection>[]);
  while (found.some(({ length }) => length < each)) {
    const one = connection(service);
    const mine = found[(await one.ask()) - 1];
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
    await half?.says(/100 Continue/);
  }
  return { halves: all.map(([half]) => half), idle: all.map(([, idle]) => idle) };
}

/** Asks on one connection, again as soon as there is an answer, and gives the ids of the answers when it is closed. */
export function askOnAndOn(port: number): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const answered: string[] = [];
  const socket = connect(port, "127.0.0.1", () => socket.write(GOOD));
  let said = "";
  socket.on("data", (data) => {
    said += data;
    const [head = "", body] = said.split("\r\n\r\n");
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    if (body === undefined || Buffer.byteLength(body) < length) return;
    if (head.startsWith("HTTP/1.1 200")) answered.push(...requestIds(`${head}\r\n`));
    said = "";
    socket.write(GOOD);
  });
  // A reset is an end like any other.
  socket.on("error", () => {});
  socket.on("close", () => resolve(answered));
  return promise;
}
