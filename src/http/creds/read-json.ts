import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { BodyTooLargeError, InvalidJsonError, UnsupportedMediaTypeError } from "../errors.ts";

/** Bytes. A usual request has a few hundred; the rest is for tags. */
const MAX_BODY = 8 * 1024;
const JSON_TYPE = "application/json";

// By Content-Length before a byte is read; without it by counting, which takes longer than signing a credential.
const limitBody = bodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw new BodyTooLargeError(`the body has more than ${MAX_BODY} bytes`);
  },
});

/**
 * Reads a JSON body of at most 8 KiB.
 * @param receive waits for the body, with a deadline
 * @throws {UnsupportedMediaTypeError} {BodyTooLargeError} {RequestTimeoutError} {InvalidJsonError}
 */
export async function readJson(
  c: Context,
  receive: (body: Promise<string>) => Promise<string>,
): Promise<unknown> {
  checkType(c);
  try {
    // With a Content-Length, the server itself reads no more than that.
    const body = hasLength(c) ? c.req.text() : countedText(c);
    return parseJson(await receive(body));
  } catch (error) {
    // The client closed the connection or sent invalid chunks. The response is for the log only.
    if ((error as Error).name === "AbortError") throw new InvalidJsonError("the body was cut off");
    throw error;
  }
}

async function countedText(c: Context): Promise<string> {
  await limitBody(c, async () => {});
  return c.req.text();
}

function checkType(c: Context): void {
  const type = c.req.header("Content-Type");
  if (type !== JSON_TYPE && type?.split(";")[0]?.trim().toLowerCase() !== JSON_TYPE)
    throw new UnsupportedMediaTypeError("the body must be of the type application/json");
  if (c.req.header("Content-Encoding"))
    throw new UnsupportedMediaTypeError("the body is compressed; send it uncompressed");
}

/** Whether the head has the body's length, and it is within the limit. */
function hasLength(c: Context): boolean {
  const length = c.req.header("Content-Length");
  return (
    length !== undefined && Number(length) <= MAX_BODY && c.req.header("Transfer-Encoding") === undefined
  );
}

/** The decoder writes it in place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

function parseJson(text: string): unknown {
  try {
    if (!text.includes(REPLACEMENT)) return JSON.parse(text);
  } catch {}
  throw new InvalidJsonError("the body is not JSON in UTF-8");
}
