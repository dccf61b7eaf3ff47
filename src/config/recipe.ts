import { z } from "zod";
import { ALWAYS, type Env, envReader, variablesOf } from "./env.ts";
import { origins } from "./origins.ts";
import { variable } from "./values.ts";

/**
 * The settings that `nats-init` reads, by the rules of `fs/nats-init/settings.jq`. They are checked here too, since this
 * check covers all settings and runs before anything starts.
 */

const KB = 1024;
const UNITS: Readonly<Record<string, number>> = { B: 1, KB, MB: KB ** 2, GB: KB ** 3, TB: KB ** 4 };
const GO_UNITS: Readonly<Record<string, number>> = { MiB: KB ** 2, GiB: KB ** 3 };

const bytes = (units: Readonly<Record<string, number>>) => (text: string) => {
  const [, number = "", unit = ""] = /^(\d+)(\w+)$/.exec(text) ?? [];
  return Number(number) * (units[unit] ?? 0);
};

const size = variable(
  "a size such as 256MB or 10GB",
  z
    .string()
    .regex(/^[1-9]\d{0,5}(B|KB|MB|GB|TB)$/)
    .transform(bytes(UNITS)),
);
const goSize = variable(
  "a size such as 1700MiB or 3GiB",
  z
    .string()
    .regex(/^[1-9]\d{0,5}(MiB|GiB)$/)
    .transform(bytes(GO_UNITS)),
);
const name = variable("1 to 64 letters, digits, - and _", z.string().regex(/^[A-Za-z0-9_-]{1,64}$/));
const count = variable(
  "a whole number from 1",
  z
    .string()
    .regex(/^[1-9]\d{0,8}$/)
    .transform(Number),
);

const RECIPE = z
  .object({
    NATS_OPERATOR: name,
    NATS_ACCOUNT: name,
    NATS_WS_ORIGINS: origins(1),
    NATS_MAX_CONNECTIONS: count,
    NATS_ACCOUNT_CONNECTIONS: count,
    NATS_MEMORY: size,
    NATS_GOMEMLIMIT: goSize,
    MINT_MEMORY: size,
    NATS_JS_MEMORY: size,
    NATS_JS_DISK: size,
    NATS_ACCOUNT_JS_MEMORY: size,
    NATS_ACCOUNT_JS_DISK: size,
    NATS_ACCOUNT_JS_STREAMS: count,
    NATS_ACCOUNT_JS_CONSUMERS: count,
    NATS_CONFLICT: variable("stop, server or store", z.enum(["stop", "server", "store"])).default("stop"),
  })
  .superRefine((values, { addIssue }) => {
    for (const [variable, isWrong, message] of rules(values)) {
      if (isWrong) addIssue({ code: "custom", path: [variable], message });
    }
  }, ALWAYS);

type Values = { readonly [Name in keyof typeof RECIPE.shape]?: z.output<(typeof RECIPE.shape)[Name]> };

/** What concerns several variables; a comparison with a variable that is wrong itself is false. */
function rules(values: Values): [variable: keyof Values, isWrong: boolean, wanted: string][] {
  const number = (name: keyof Values) => (typeof values[name] === "number" ? values[name] : Number.NaN);
  return [
    ["NATS_ACCOUNT", values.NATS_ACCOUNT === "SYS", "another name than SYS, which is the system account's"],
    [
      "NATS_ACCOUNT_JS_MEMORY",
      number("NATS_ACCOUNT_JS_MEMORY") > number("NATS_JS_MEMORY"),
      "at most NATS_JS_MEMORY, which is the whole server's",
    ],
    [
      "NATS_ACCOUNT_JS_DISK",
      number("NATS_ACCOUNT_JS_DISK") > number("NATS_JS_DISK"),
      "at most NATS_JS_DISK, which is the whole server's",
    ],
    [
      "NATS_ACCOUNT_CONNECTIONS",
      number("NATS_ACCOUNT_CONNECTIONS") > number("NATS_MAX_CONNECTIONS") - 10,
      "at most NATS_MAX_CONNECTIONS less 10, which are for the recipe's own logins",
    ],
    [
      "NATS_GOMEMLIMIT",
      number("NATS_GOMEMLIMIT") > number("NATS_MEMORY") * 0.95,
      "at most 95 % of NATS_MEMORY, or the server would be killed before it frees memory",
    ],
    [
      "NATS_JS_MEMORY",
      number("NATS_JS_MEMORY") >= number("NATS_GOMEMLIMIT"),
      "less than NATS_GOMEMLIMIT, which connections need too",
    ],
  ];
}

/** The names of the variables that `checkRecipeSettings` reads. */
export const RECIPE_VARIABLES = variablesOf({ RECIPE });

/** @throws {ConfigError} with one line for each mistake */
export function checkRecipeSettings(env: Env): void {
  envReader(env).read({ recipe: RECIPE });
}
