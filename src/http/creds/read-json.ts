import { BodyTooLargeError, BodyUsedError, InvalidJsonError, UnsupportedMediaTypeError } from "../errors.ts";

/** Bytes. A usual request has a few hundred; the rest is for tags. */
const MAX_BODY = 8 * 1024;
export const JSON_TYPE = "application/json";

/**
 * Reads a JSON body of at most 8 KiB.
 * @param receive waits for the body, with a deadline
 * @throws {UnsupportedMediaTypeError} {BodyTooLargeError} {RequestTimeoutError} {InvalidJsonError} {BodyUsedError}
 */
export async function readJson(
  request: Request,
  receive: (body: Promise<string>) => Promise<string>,
): Promise<unknown> {
  const { headers } = request;
  checkType(headers);
  try {
    // With a Content-Length, the server itself reads no more than that.
    return parseJson(await receive(hasLength(headers) ? request.text() : countedText(request)));
  } catch (error) {
    // The client closed the connection or sent invalid chunks. The response is for the log only.
    if ((error as Error).name === "AbortError") throw new InvalidJsonError("the body was cut off");
    // What the runtimes throw for a body that is used or locked.
    if (error instanceof TypeError) throw new BodyUsedError();
    throw error;
  }
}

/** The text of a body whose length is not known. It counts the bytes, which takes longer than signing a credential. */
async function countedText({ body }: Request): Promise<string> {
  const decoder = new TextDecoder();
  let size = 0;
  let text = "";
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY) throw tooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

const tooLarge = () => new BodyTooLargeError(`the body has more than ${MAX_BODY} bytes`);

function checkType(headers: Headers): void {
  const type = headers.get("Content-Type");
  if (type !== JSON_TYPE && type?.split(";")[0]?.trim().toLowerCase() !== JSON_TYPE)
    throw new UnsupportedMediaTypeError("the body must be of the type application/json");
  if (headers.get("Content-Encoding"))
    throw new UnsupportedMediaTypeError("the body is compressed; send it uncompressed");
}

/** Whether the head has the body's length. @throws {BodyTooLargeError} when it is above the limit */
function hasLength(headers: Headers): boolean {
  const length = headers.get("Content-Length");
  if (length === null || headers.has("Transfer-Encoding")) return false;
  if (!(Number(length) <= MAX_BODY)) throw tooLarge();
  return true;
}

/** The decoder writes it in place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

function parseJson(text: string): unknown {
  try {
    if (!text.includes(REPLACEMENT)) return JSON.parse(text);
  } catch {}
  throw new InvalidJsonError("the body is not JSON in UTF-8");
}
