import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { BodyTooLargeError, InvalidJsonError, UnsupportedMediaTypeError } from "../core/errors.ts";

/** Bytes. A request is a few hundred; the rest is room for tags. */
const MAX_BODY = 8 * 1024;

const wantJson: MiddlewareHandler = async (c, next) => {
  const type = c.req.header("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new UnsupportedMediaTypeError("send application/json");
  if (c.req.header("Content-Encoding")) throw new UnsupportedMediaTypeError("send it uncompressed");
  await next();
};

// By Content-Length before a byte is read, else by counting while reading.
const limitBody = bodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw new BodyTooLargeError(`a request has at most ${MAX_BODY} bytes`);
  },
});

const parseBody = createMiddleware<{ Variables: { json: unknown } }>(async (c, next) => {
  const bytes = await c.req.arrayBuffer();
  c.set("json", parseJson(bytes));
  await next();
});

function parseJson(bytes: ArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new InvalidJsonError("the body is not JSON in UTF-8");
  }
}

/** Reads a JSON body into `c.var.json`, or refuses: 415 for another type, 413 above 8 KiB, 400 for anything else. */
export const readJson = [wantJson, limitBody, parseBody] as const;
