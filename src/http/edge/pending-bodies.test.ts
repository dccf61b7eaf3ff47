import { expect, test } from "bun:test";
import { RequestTimeoutError } from "../errors.ts";
import { pendingBodies } from "./pending-bodies.ts";

/** Places for bodies, and the names of the requests that were evicted, in order. */
function places(options: { total: number; perNetwork: number }) {
  const bodies = pendingBodies({ ...options, deadline: 60_000 });
  const evicted: string[] = [];
  return {
    evicted,
    /** Begins a request; returns a function that lets its body arrive. */
    begin(name: string, network: string | undefined) {
      const body = Promise.withResolvers<string>();
      const received = bodies.receive(body.promise, network).catch((error) => {
        expect(error).toBeInstanceOf(RequestTimeoutError);
        evicted.push(name);
      });
      return async () => {
        body.resolve(name);
        return received;
      };
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("of too many from one network the oldest is evicted", async () => {
  const { begin, evicted } = places({ total: 100, perNetwork: 2 });
  begin("b1", "b");
  const arrive = ["a1", "a2", "a3", "a4"].map((name) => begin(name, "a"));
  await turn();
  expect(evicted).toEqual(["a1", "a2"]);
  expect(await Promise.all(arrive.slice(2).map((body) => body()))).toEqual(["a3", "a4"]);
});

test("of too many altogether, the oldest of the network that has most is evicted", async () => {
  const { begin, evicted } = places({ total: 4, perNetwork: 3 });
  const arrive = begin("a1", "a");
  for (const name of ["b1", "b2", "b3"]) begin(name, "b");
  for (const network of ["c", "d", "e", "f"]) begin(`${network}1`, network);
  await turn();
  expect(evicted).toEqual(["b1", "b2", "a1", "b3"]);
  expect(await arrive()).toBeUndefined();
});

test("a body that has arrived, or failed, holds no place", async () => {
  const { begin, evicted } = places({ total: 2, perNetwork: 1 });
  for (let i = 0; i < 5; i++) expect(await begin(`a${i}`, "a")()).toBe(`a${i}`);
  const bodies = pendingBodies({ total: 1, perNetwork: 1 });
  await expect(bodies.receive(Promise.reject(new Error("cut off")), "a")).rejects.toThrow("cut off");
  expect(await bodies.receive(Promise.resolve("x"), "a")).toBe("x");
  expect(evicted).toEqual([]);
});

test("requests whose network isn't known have no limit of their own, and take places from each other", async () => {
  const { begin, evicted } = places({ total: 4, perNetwork: 1 });
  begin("a1", "a");
  for (const name of ["1", "2", "3", "4", "5"]) begin(name, undefined);
  await turn();
  expect(evicted).toEqual(["1", "2"]);
});
