import { type ParseArgsConfig, type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** Invalid arguments. The message names them, and the usage is printed after it. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Input that the command can't work on, such as a file that is not JSON. */
export class InputError extends Error {
  override name = "InputError";
}

type Parsed<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true; strict: true }>
>;

/**
 * Parses a command's arguments.
 * @param known the command's options
 * @throws {UsageError} for an unknown option, or a repeated one that takes a single value
 */
export function parseOptions<O extends ParseArgsOptionsConfig>(args: string[], known: O): Parsed<O> {
  let parsed: Parsed<O> & { tokens: { kind: string; name?: string }[] };
  try {
    const config = { args, options: known, allowPositionals: true, strict: true, tokens: true };
    parsed = parseArgs(config satisfies ParseArgsConfig) as never;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const names = parsed.tokens.flatMap(({ kind, name }) => (kind === "option" && name ? [name] : []));
  const repeated = names.find((name, i) => names.indexOf(name) < i && !known[name]?.multiple);
  if (repeated) throw new UsageError(`--${repeated} is given more than once`);
  return parsed;
}

/** @throws {UsageError} when a command has arguments that it does not use */
export function rejectExtraArgs(args: readonly string[]): void {
  if (args.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(args[0])}`);
}

/** For a command whose only action is `check`, without options. @throws {UsageError} for other arguments */
export function expectCheck(command: string, args: string[]): void {
  const [action, ...more] = parseOptions(args, {}).positionals;
  if (action !== "check") throw new UsageError(`${command}: expected check`);
  rejectExtraArgs(more);
}
