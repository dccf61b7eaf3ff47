import type { Context, ErrorHandler, Handler } from "hono";
import { routePath } from "hono/route";
import type { Answered } from "../../core/decision.ts";
import type { Client } from "./client-address.ts";
import type { Cors } from "./cors.ts";
import { requestIdOf } from "./request-id.ts";
import { addResponseHeaders } from "./response-headers.ts";

/** What is known of a request before it is looked at. */
export interface Asking {
  readonly client: Client;
  readonly requestId: string;
  /** When it came: milliseconds of `performance.now()`. */
  readonly began: number;
}

export interface EveryRequestOptions {
  readonly clientOf: (c: Context) => Client;
  readonly cors: Cors;
  /** Makes what was thrown an answer. */
  readonly failed: Failed;
  /** When it is aborted, answers ask the client to come back over another connection. */
  readonly stopping?: AbortSignal | undefined;
  /** Told of each answer, once it stands. */
  readonly onAnswer?: ((answer: Answered) => void) | undefined;
}

/**
 * What every request gets, whatever becomes of it. Around each handler instead of in a middleware: Hono calls a handler
 * that is alone on its path directly, which saves a twentieth of the time that a credential takes.
 */
export interface EveryRequest {
  /** For a handler whose answers come from `answersWith` or `complete`. */
  readonly lean: (answer: (c: Context, asking: Asking) => Promise<Response>) => Handler;
  /** For every other. @param route what the path is called; its own pattern, unless there is no such path */
  readonly page: (answer: Page, route?: string) => Handler;
}

/** Makes what was thrown an answer, with all headers, and notes it in `c.error`. */
export type Failed = (thrown: unknown, c: Context) => Promise<Response>;

/** Answers, or throws what becomes a problem. */
export type Page = (c: Context) => Response | Promise<Response>;

export function everyRequest({
  clientOf,
  cors,
  failed,
  stopping,
  onAnswer,
}: EveryRequestOptions): EveryRequest {
  function around(answer: (c: Context, asking: Asking) => Promise<Response>, route?: string): Handler {
    return async (c) => {
      const began = performance.now();
      const client = clientOf(c);
      const requestId = requestIdOf(c, client);
      // For an application that this one is mounted in.
      c.set("requestId", requestId);
      const response = await answer(c, { client, requestId, began }).catch((thrown) => failed(thrown, c));
      const { headers, status } = response;
      headers.set("X-Request-Id", requestId);
      cors.addTo(headers, c.req.header("Origin"));
      if (stopping?.aborted) headers.set("Connection", "close");
      onAnswer?.({
        route: route ?? routePath(c),
        method: c.req.method,
        status,
        duration: performance.now() - began,
      });
      return response;
    };
  }

  return {
    lean: (answer) => around(answer),
    page: (answer, route) => around(async (c) => complete(await answer(c)), route),
  };
}

/** Adds what an answer lacks that was made without any of it. */
export function complete(response: Response): Response {
  const { headers } = response;
  addResponseHeaders(headers);
  // Also for those that are not allowed: a cache must not give their answer to a page of an allowed origin.
  if (!/\bOrigin\b/.test(headers.get("Vary") ?? "")) headers.append("Vary", "Origin");
  return response;
}

/** @param answerError handles errors as Hono's `onError` does */
export function failing(answerError: ErrorHandler): Failed {
  return async (thrown, c) => {
    c.error = asError(thrown);
    return complete(await answerError(c.error, c));
  };
}

/** Hono hands only Errors to its error handler; an application's functions may throw anything. */
const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error("something other than an Error was thrown", { cause: thrown });
