import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { BodyTooLargeError, InvalidJsonError, UnsupportedMediaTypeError } from "../errors.ts";

/** Bytes. A request is a few hundred; the rest is room for tags. */
const MAX_BODY = 8 * 1024;
const JSON_TYPE = "application/json";

// By Content-Length before a byte is read, else by counting while reading; to count takes longer than to mint.
const limitBody = bodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw new BodyTooLargeError(`a request has at most ${MAX_BODY} bytes`);
  },
});

/**
 * Reads a JSON body, or refuses: 415 for another type, 413 above 8 KiB, 408 when it takes too long, 400 for anything else.
 * @param receive waits for the body, and says for how long
 * @throws {UnsupportedMediaTypeError} {BodyTooLargeError} {RequestTimeoutError} {InvalidJsonError}
 */
export async function readJson(
  c: Context,
  receive: (body: Promise<string>) => Promise<string>,
): Promise<unknown> {
  wantJson(c);
  try {
    // What the server itself holds to its length need not be counted.
    const body = hasLength(c) ? c.req.text() : countedText(c);
    return parseJson(await receive(body));
  } catch (error) {
    // The caller hung up, or sent chunks that are none. Nobody reads the answer, but the log has a word for it.
    if ((error as Error).name === "AbortError") throw new InvalidJsonError("the body was cut off");
    throw error;
  }
}

async function countedText(c: Context): Promise<string> {
  await limitBody(c, async () => {});
  return c.req.text();
}

function wantJson(c: Context): void {
  const type = c.req.header("Content-Type");
  if (type !== JSON_TYPE && type?.split(";")[0]?.trim().toLowerCase() !== JSON_TYPE)
    throw new UnsupportedMediaTypeError("send application/json");
  if (c.req.header("Content-Encoding")) throw new UnsupportedMediaTypeError("send it uncompressed");
}

/** Whether the head says how long the body is, and it isn't too long. */
function hasLength(c: Context): boolean {
  const length = c.req.header("Content-Length");
  return (
    length !== undefined && Number(length) <= MAX_BODY && c.req.header("Transfer-Encoding") === undefined
  );
}

/** Stands where something else than UTF-8 was. */
const REPLACEMENT = "\ufffd";

function parseJson(text: string): unknown {
  try {
    if (!text.includes(REPLACEMENT)) return JSON.parse(text);
  } catch {}
  throw new InvalidJsonError("the body is not JSON in UTF-8");
}
