import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { binaryText, encode, type Frame, makeSplitter } from "./frames.ts";
import { pieces } from "./server.fixture.ts";

const RUNS = 300;

const { array, constantFrom, nat, oneof, record, string, tuple, uint8Array } = fc;

const token = string({ unit: "grapheme", minLength: 1, maxLength: 8 }).filter((text) =>
  /^[^\s.*>\p{C}]+$/u.test(text),
);
const subject = array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
const sid = nat(9999).map(String);
/** Payloads, among them some that look like frames. */
const payload = oneof(
  uint8Array({ maxLength: 60 }),
  constantFrom("", "\r\n", "\n", "MSG a 1 5\r\nhello\r\n", "\r\nPING\r\n", "PUB a 3", "\r\n-ERR 'x'\r\n").map(
    encode,
  ),
  nat(3000).map((size) => new Uint8Array(size).fill(10)),
);
const header = array(tuple(token, token), { maxLength: 3 }).map((pairs) =>
  encode(`NATS/1.0\r\n${pairs.map(([key, value]) => `${key}: ${value}\r\n`).join("")}\r\n`),
);

const line = (text: string) => ({ verb: text.split(" ")[0] ?? "", bytes: encode(`${text}\r\n`) });

function withPayload(verb: string, words: readonly string[], ...parts: Uint8Array[]) {
  const whole = Buffer.concat(parts);
  const sizes = parts.length > 1 ? [parts[0]?.length, whole.length] : [whole.length];
  const bytes = Buffer.concat([encode(`${[verb, ...words, ...sizes].join(" ")}\r\n`), whole, encode("\r\n")]);
  return { verb, bytes: Uint8Array.from(bytes) };
}

const reply = oneof(
  subject.map((text) => [text]),
  fc.constant([]),
);

const fromServer = oneof(
  constantFrom(
    "PING",
    "PONG",
    "+OK",
    'INFO {"server_id":"é","max_payload":1048576}',
    "-ERR 'Stale Connection'",
  ).map(line),
  record({ subject, sid, reply, payload }).map((m) =>
    withPayload("MSG", [m.subject, m.sid, ...m.reply], m.payload),
  ),
  record({ subject, sid, reply, header, payload }).map((m) =>
    withPayload("HMSG", [m.subject, m.sid, ...m.reply], m.header, m.payload),
  ),
);

const fromClient = oneof(
  constantFrom("PING", "PONG", 'CONNECT {"echo":false,"lang":"nats.ws"}').map(line),
  tuple(subject, sid).map(([of, id]) => line(`SUB ${of} ${id}`)),
  tuple(subject, token, sid).map(([of, queue, id]) => line(`SUB ${of} ${queue} ${id}`)),
  tuple(sid, nat(9)).map(([id, max]) => line(`UNSUB ${id}${max ? ` ${max}` : ""}`)),
  record({ subject, reply, payload }).map((m) => withPayload("PUB", [m.subject, ...m.reply], m.payload)),
  record({ subject, reply, header, payload }).map((m) =>
    withPayload("HPUB", [m.subject, ...m.reply], m.header, m.payload),
  ),
);

/** Cuts at these places, some of which may be equal. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => Uint8Array.from(bytes.subarray(at[i], end)));
}

const feed = (chunks: readonly Uint8Array[]): Frame[] => {
  const split = makeSplitter();
  return chunks.flatMap((chunk) => split(chunk));
};

describe("a splitter", () => {
  for (const [direction, frame] of [
    ["server", fromServer],
    ["client", fromClient],
  ] as const) {
    test(`finds the frames of a ${direction} wherever the stream is cut`, () => {
      fc.assert(
        fc.property(array(frame, { maxLength: 12 }), array(nat(), { maxLength: 20 }), (sent, places) => {
          const stream = Buffer.concat(sent.map(({ bytes }) => bytes));
          const found = feed(cut(stream, places));
          expect(found.map(({ verb }) => verb)).toEqual(sent.map(({ verb }) => verb));
          expect(found.map(({ bytes }) => binaryText(bytes))).toEqual(
            sent.map(({ bytes }) => binaryText(bytes)),
          );
          expect(found.map((one) => one.line)).toEqual(pieces(stream).map(({ words }) => words.join(" ")));
        }),
        { numRuns: RUNS },
      );
    });
  }

  test("finds them byte by byte", () => {
    const stream = encode(
      "PING\r\nMSG ünï.ćode 1 inbox.é 7\r\nA\r\nB\r\n\n\r\nHMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\nPONG\r\n",
    );
    expect(feed([...stream].map((byte) => Uint8Array.of(byte))).map((frame) => frame.line)).toEqual([
      "PING",
      "MSG ünï.ćode 1 inbox.é 7",
      "HMSG a 1 12 12",
      "PONG",
    ]);
  });

  test("returns a frame with its last byte, and not before", () => {
    fc.assert(
      fc.property(oneof(fromServer, fromClient), ({ bytes }) => {
        const split = makeSplitter();
        expect(split(bytes.subarray(0, -1))).toEqual([]);
        expect(split(bytes.subarray(-1)).length).toBe(1);
        expect(split(new Uint8Array(0))).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });

  test("returns bytes that do not change when the sender reuses its buffer", () => {
    const split = makeSplitter();
    const buffer = encode("PUB a 2\r\nhi\r\nPUB a 2\r\nh");
    const [first] = split(buffer);
    buffer.fill(0);
    const [second] = split(encode("o\r\n"));
    expect([first, second].map((frame) => binaryText(frame?.bytes ?? buffer))).toEqual([
      "PUB a 2\r\nhi\r\n",
      "PUB a 2\r\nho\r\n",
    ]);
  });

  test("terminates with a malformed size", () => {
    const sizes = [
      "-1",
      "-9",
      "-10",
      "-30",
      "-99999",
      "x",
      "NaN",
      "1e999",
      "Infinity",
      "1.5",
      "0x10",
      "٣",
      "1,5",
    ];
    for (const verb of ["MSG", "HMSG", "PUB", "HPUB"]) {
      for (const size of sizes) {
        const split = makeSplitter();
        expect(
          split(encode(`PING\r\n${verb} a 1 ${size}\r\nhello\r\nPING\r\n`)).map((frame) => frame.verb),
        ).toEqual(["PING"]);
        expect(split(encode("PONG\r\n"))).toEqual([]);
      }
    }
  });

  test("terminates with any bytes", () => {
    fc.assert(
      fc.property(
        array(
          oneof(
            uint8Array({ maxLength: 40 }),
            fromServer.map(({ bytes }) => bytes),
          ),
        ),
        (chunks) => {
          const found = feed(chunks);
          const sum = found.reduce((total, { bytes }) => total + bytes.length, 0);
          expect(sum).toBeLessThanOrEqual(chunks.reduce((total, chunk) => total + chunk.length, 0));
        },
      ),
      { numRuns: RUNS },
    );
  });
});

describe("bytes as a text", () => {
  test("differ when one byte does", () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const prints = [...all].map((byte) => binaryText(Uint8Array.of(byte)));
    expect(new Set(prints).size).toBe(256);
    expect(binaryText(all)).toBe(prints.join(""));
  });

  test.each([0, 1, 4095, 4096, 4097, 8192, 1_048_576])(
    "are as many characters as there are bytes: %d",
    (size) => {
      const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31) % 256);
      expect(binaryText(bytes) === Buffer.from(bytes).toString("latin1")).toBe(true);
    },
  );
});
