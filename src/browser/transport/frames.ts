/**
 * Cuts the byte stream of the NATS client protocol into frames: a control line, and the payload of those that have one.
 * Works for both directions. Sources: docs.nats.io/reference/reference-protocols/nats-protocol, `server/parser.go`.
 */

export interface Frame {
  /** The first word of the control line: `MSG`, `PUB`, `SUB`, `PING`, `-ERR`, … */
  readonly verb: string;
  /** The control line, without CR LF. */
  readonly line: string;
  /** The whole frame as it arrived. */
  readonly bytes: Uint8Array;
}

/** The fields of INFO that are used. */
export interface ServerInfo {
  readonly server_id?: string;
  readonly nonce?: string;
}

/** The fields of CONNECT. */
export type ConnectOptions = Readonly<Record<string, unknown>>;

const LINE_FEED = 10;
const WITH_PAYLOAD = /^H?(MSG|PUB)$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const encode = (text?: string): Uint8Array => encoder.encode(text);

/** A control line as a frame. */
export const encodeLine = (line: string): Uint8Array => encode(`${line}\r\n`);

/** Bytes as a text of one character each. Not by a `TextDecoder`: those of React Native know only UTF-8. */
export function binaryText(bytes: Uint8Array): string {
  /** A call has room for some ten thousand arguments. */
  const CHUNK = 4096;
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    // Not by spreading, which takes five times as long.
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  }
  return text;
}

/** The words of a control line. The last word of a frame with a payload is the payload's size. */
export const words = (line: string): string[] => line.split(" ");

/** The JSON object of a CONNECT or INFO frame. @throws {SyntaxError} if it is not JSON */
export const readJson = (frame: Frame) => JSON.parse(frame.line.slice(frame.verb.length));

export const isMessage = ({ verb }: Frame): boolean => verb.endsWith("MSG");

/**
 * Makes a function that takes the next bytes of a stream and returns the frames that are complete with them. The bytes of
 * an incomplete frame are kept for the next call.
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
      const verb = words(line)[0] as string;
      let end = lineEnd + 1;
      if (WITH_PAYLOAD.test(verb)) end += Number(/ (\d+)$/.exec(line)?.[1]) + 2;
      // With a malformed size, `end` is NaN: this is not the NATS protocol, and no more frames are found.
      if (!(end <= bytes.length)) break;
      frames.push({ verb, line, bytes: bytes.subarray(start, end) });
      start = end;
    }
    rest = bytes.subarray(start);
    return frames;
  };
}
