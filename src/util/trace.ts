/** The parts of an unexpected error that may be logged. */
export interface Trace {
  /** Its class: `TypeError`. */
  readonly name: string;
  /** The code of a system error: `ECONNREFUSED`. */
  readonly code?: string;
  /** The stack, innermost frame first: at most 20 lines. */
  readonly at: readonly string[];
  readonly cause?: Trace;
}

const MAX_FRAMES = 20;
const MAX_FRAME = 200;
const MAX_CAUSES = 3;
const WORD = /^[\w$]{1,64}$/;
const FRAME = /^\s*at (.+)$/;

/**
 * An unexpected error without its message: its name, its code and its stack. The origin of such an error is not known, and
 * the messages of parsers, clients and applications may quote their input, such as a token.
 * @param causes how many errors of the chain of causes are included at most
 */
export function traceOf(error: unknown, causes = MAX_CAUSES): Trace {
  if (!(error instanceof Error)) return { name: `not an Error but ${typeof error}`, at: [] };
  const { code } = error as { code?: unknown };
  return {
    name: WORD.test(error.name) ? error.name : "Error",
    ...(typeof code === "string" && WORD.test(code) && { code }),
    at: framesOf(error),
    ...(error.cause !== undefined && causes > 0 && { cause: traceOf(error.cause, causes - 1) }),
  };
}

/** A trace as lines of text. */
export function formatTrace({ name, code, at, cause }: Trace): string {
  const lines = [code === undefined ? name : `${name} (${code})`, ...at.map((frame) => `    at ${frame}`)];
  return [...lines, ...(cause ? [`caused by ${formatTrace(cause)}`] : [])].join("\n");
}

function framesOf({ stack, message }: Error): string[] {
  // The stack contains the message, and a message may have lines that look like frames.
  const text = typeof message === "string" ? message : "";
  const frames = typeof stack === "string" ? stack.replaceAll(text || "\0", "") : "";
  return frames
    .split("\n")
    .flatMap((line) => FRAME.exec(line)?.[1]?.slice(0, MAX_FRAME) ?? [])
    .slice(0, MAX_FRAMES);
}
