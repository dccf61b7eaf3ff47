import { type ParseArgsConfig, type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** Wrong arguments: the message says which, and the usage follows. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Input that is not what the command works on. */
export class InputError extends Error {
  override name = "InputError";
}

type Parsed<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true; strict: true }>
>;

/**
 * Takes a command's arguments apart.
 * @throws {UsageError} for an option that it doesn't have, or a single-valued one that is there twice
 */
export function options<O extends ParseArgsOptionsConfig>(args: string[], known: O): Parsed<O> {
  let parsed: Parsed<O> & { tokens: { kind: string; name?: string }[] };
  try {
    const config = { args, options: known, allowPositionals: true, strict: true, tokens: true };
    parsed = parseArgs(config satisfies ParseArgsConfig) as never;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const names = parsed.tokens.flatMap(({ kind, name }) => (kind === "option" && name ? [name] : []));
  const twice = names.find((name, i) => names.indexOf(name) < i && !known[name]?.multiple);
  if (twice) throw new UsageError(`--${twice} is there twice`);
  return parsed;
}

/** @throws {UsageError} unless there are just these words */
export function rejectExtraArgs(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`what is ${JSON.stringify(words[0])} for?`);
}
