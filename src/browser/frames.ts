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
export const words = (line: string): string[] => line.split(" ");

/** What CONNECT and INFO say. */
export const json = (frame: Frame) => JSON.parse(frame.line.slice(frame.verb.length));

export const isMessage = ({ verb }: Frame): boolean => /^H?MSG$/.test(verb);

/**
 * Makes a function that takes what came in and returns the frames that are complete with it. The start of one waits for
 * its end.
 */
export function makeSplitter(): (chunk: Uint8Array) => Frame[] {
  let rest = new Uint8Array(0) as Uint8Array;
  return (chunk) => {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    const frames: Frame[] = [];
    let start = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(LINE_FEED, start);
      if (lineEnd < 0) break;
      const line = decoder.decode(bytes.subarray(start, lineEnd)).trimEnd();
      const verb = line.split(" ", 1)[0] ?? "";
      let end = lineEnd + 1;
      if (WITH_PAYLOAD.test(verb)) end += Number(/ (\d+)$/.exec(line)?.[1]) + 2;
      // Nor if the size is none: this is not the NATS protocol, and there is nothing to wait for.
      if (!(end <= bytes.length)) break;
      frames.push({ verb, line, bytes: bytes.subarray(start, end) });
      start = end;
    }
    rest = bytes.subarray(start);
    return frames;
  };
}
