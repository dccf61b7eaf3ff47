import { existsSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { ConfigError } from "../core/errors.ts";
import { quote } from "../util/quote.ts";
import { readEnvFile as readFile } from "./env-file.ts";

/** Turns environment variables into values, by schema. Only this folder reads the environment. */

/** Variables by name, as in `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

type Variables = z.ZodObject;
/** Variables that are read together, and optionally a function that combines their values. */
export type Block = Variables | z.ZodPipe<Variables, z.ZodTransform>;

type Blocks = Readonly<Record<string, Block | undefined>>;
type Values<B extends Blocks> = {
  readonly [K in keyof B]: z.output<NonNullable<B[K]>> | (undefined extends B[K] ? undefined : never);
};

/** For a check of several variables: it runs also when a value is wrong, so that all mistakes are reported at once. */
export const ALWAYS = { when: () => true };

/**
 * Reads blocks of variables. An empty variable counts as not set. The message of a variable's schema describes what is
 * wanted; the reader adds the variable's name and value.
 */
export function envReader(env: Env) {
  const parseBlock = (block: Block) => {
    const isSet = (name: string) => env[name]?.trim();
    const values = Object.fromEntries(
      variablesOf({ block })
        .filter(isSet)
        .map((name) => [name, env[name]]),
    );
    return block.safeParse(values);
  };

  return {
    /**
     * The values of all blocks; an undefined block is not in use.
     * @throws {ConfigError} with one line for each mistake
     */
    read<B extends Blocks>(blocks: B): Values<B> {
      const mistakes: string[] = [];
      const values: Record<string, unknown> = {};
      for (const [name, block] of Object.entries(blocks)) {
        if (!block) continue;
        const { data, error } = parseBlock(block);
        values[name] = data;
        for (const { path, message } of error?.issues ?? []) {
          mistakes.push(describeMistake(env, String(path[0]), message));
        }
      }
      if (mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
      return values as Values<B>;
    },

    /** The values of one block; undefined if any of them is wrong. */
    readIfValid: <B extends Block>(block: B) => parseBlock(block).data as z.output<B> | undefined,
  };
}

/** The names of the variables that these blocks read. */
export function variablesOf(blocks: Readonly<Record<string, Block>>): string[] {
  const shapes = Object.values(blocks).map((block) => ("shape" in block ? block.shape : block.in.shape));
  return [...new Set(shapes.flatMap((shape) => Object.keys(shape)))];
}

function describeMistake(env: Env, variable: string, wanted: string): string {
  const value = env[variable];
  return `${variable}: ${value ? `got ${show(variable, value)}` : "is not set"}, wanted ${wanted}`;
}

/** The value for a message, unless its name or its form marks it as a secret. */
function show(variable: string, value: string): string {
  const secret = /SECRET|SEED|TOKEN|PASS|KEY$/.test(variable) || /S[A-Z2-7]{57}|eyJ|@/.test(value);
  return secret ? "something (not shown)" : quote(value);
}

/** The root directory of the checkout. */
export const projectDir = join(import.meta.dirname, "../..");

const envFile = join(projectDir, ".env");

/**
 * The variables of `.env` and of `.env.local`, which is one's own and wins over it.
 * @throws {ConfigError} when `.env` is missing
 */
export function readEnvFiles(): Readonly<Record<".env" | ".env.local", Env>> {
  if (!existsSync(envFile)) {
    throw new ConfigError(
      `${envFile} is missing. It has all settings of the recipe. Restore it: git checkout .env`,
    );
  }
  const shipped = readFile(envFile, process.env);
  return { ".env": shipped, ".env.local": readFile(`${envFile}.local`, { ...shipped, ...process.env }) };
}

/** The same, but none if `.env` is missing, as it is in the image. */
export const readOptionalEnvFiles = (): Readonly<Record<string, Env>> =>
  existsSync(envFile) ? readEnvFiles() : {};

/** The environment and the files. As in docker compose, a variable of the environment wins over them. */
export function withEnvFile(): Env {
  const files = readEnvFiles();
  return { ...files[".env"], ...files[".env.local"], ...process.env };
}

/** The same, but `.env` may be missing, as it is in the image. */
export const withOptionalEnvFile = (): Env => (existsSync(envFile) ? withEnvFile() : process.env);
