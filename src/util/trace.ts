/** What may be told of an error that nobody expected. */
export interface Trace {
  /** Its class: `TypeError`. */
  readonly name: string;
  /** What the system calls it, if it does: `ECONNREFUSED`. */
  readonly code?: string;
  /** Where it was made, innermost first: at most 20 lines. */
  readonly at: readonly string[];
  readonly cause?: Trace;
}

const MAX_FRAMES = 20;
const MAX_FRAME = 200;
const MAX_CAUSES = 3;
const WORD = /^[\w$]{1,64}$/;
const FRAME = /^\s*at (.+)$/;

/**
 * What an unexpected error may leave in a log: its name, its code and where it happened, but never its message. Who
 * threw it is not known, and messages of parsers, clients and applications like to repeat what they were given: a token.
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
  // The stack repeats the message, and a message may have lines that look like frames.
  const said = typeof message === "string" ? message : "";
  const frames = typeof stack === "string" ? stack.replaceAll(said || "\0", "") : "";
  return frames
    .split("\n")
    .flatMap((line) => FRAME.exec(line)?.[1]?.slice(0, MAX_FRAME) ?? [])
    .slice(0, MAX_FRAMES);
}
