import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { BodyTooLargeError, InvalidJsonError, UnsupportedMediaTypeError } from "../core/errors.ts";
import { inTime } from "./deadline.ts";

/** Bytes. A request is a few hundred; the rest is room for tags. */
const MAX_BODY = 8 * 1024;
/** Milliseconds from the head to the end of the body. */
const BODY_DEADLINE = 5000;

// By Content-Length before a byte is read, else by counting while reading.
const limitBody = bodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw new BodyTooLargeError(`a request has at most ${MAX_BODY} bytes`);
  },
});

/**
 * Reads a JSON body into `c.var.json`, or refuses: 415 for another type, 413 above 8 KiB, 408 when it takes too long,
 * 400 for anything else.
 * @param deadline milliseconds
 */
export function readJson(deadline = BODY_DEADLINE) {
  return createMiddleware<{ Variables: { json: unknown } }>(async (c, next) => {
    wantJson(c);
    const bytes = await inTime(readBody(c), deadline, `the body did not come within ${deadline / 1000} s`);
    c.set("json", parseJson(bytes));
    await next();
  });
}

function wantJson(c: Context): void {
  const type = c.req.header("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new UnsupportedMediaTypeError("send application/json");
  if (c.req.header("Content-Encoding")) throw new UnsupportedMediaTypeError("send it uncompressed");
}

async function readBody(c: Context): Promise<ArrayBuffer> {
  try {
    await limitBody(c, async () => {});
    return await c.req.arrayBuffer();
  } catch (error) {
    // The caller hung up, or sent chunks that are none. Nobody reads the answer, but the log has a word for it.
    if ((error as Error).name === "AbortError") throw new InvalidJsonError("the body was cut off");
    throw error;
  }
}

function parseJson(bytes: ArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new InvalidJsonError("the body is not JSON in UTF-8");
  }
}
