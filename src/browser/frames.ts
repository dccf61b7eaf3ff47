/**
 * Cuts the byte stream of the NATS client protocol into its frames: a control line, and the payload of those that have
 * one. Both directions. Source: docs.nats.io/reference/reference-protocols/nats-protocol, `server/parser.go`.
 */

export interface Frame {
  /** What the control line starts with: `MSG`, `PUB`, `SUB`, `PING`, `-ERR`, … */
  readonly verb: string;
  /** The control line, without its line end. */
  readonly line: string;
  /** The whole frame as it came. */
  readonly bytes: Uint8Array;
}

const LINE_FEED = 10;
const WITH_PAYLOAD = /^H?(MSG|PUB)$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
// Maps each byte to a character of its own, unlike UTF-8.
const oneToOne = new TextDecoder("latin1");

export const encode = (text: string): Uint8Array => encoder.encode(text);

/** Bytes as a text that equals another's only if all bytes do. */
export const fingerprint = (bytes: Uint8Array): string => oneToOne.decode(bytes);

/** The words of a control line; the last one of a frame with payload is the payload's size. */
export const words = (frame: Frame): string[] => frame.line.split(/\s+/);

/** The subscription that a MSG or HMSG is for. */
export const sidOf = (frame: Frame): string => words(frame)[2] ?? "";

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export class Splitter {
  #rest = new Uint8Array(0) as Uint8Array;

  /** Takes what came in and returns the frames that are complete with it. The start of one waits for its end. */
  push(chunk: Uint8Array): Frame[] {
    const bytes = this.#rest.length > 0 ? concat([this.#rest, chunk]) : chunk;
    const frames: Frame[] = [];
    let start = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(LINE_FEED, start);
      if (lineEnd < 0) break;
      const line = decoder.decode(bytes.subarray(start, lineEnd)).trimEnd();
      const verb = (/^\S*/.exec(line)?.[0] ?? "").toUpperCase();
      let end = lineEnd + 1;
      if (WITH_PAYLOAD.test(verb)) end += Number(line.slice(line.lastIndexOf(" ") + 1)) + 2;
      if (Number.isNaN(end)) throw new Error("this is not the NATS protocol");
      if (end > bytes.length) break;
      frames.push({ verb, line, bytes: bytes.subarray(start, end) });
      start = end;
    }
    this.#rest = bytes.subarray(start);
    return frames;
  }
}
