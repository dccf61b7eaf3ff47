import { readCliConfig } from "../config/cli.ts";
import { MintError } from "../core/errors.ts";
import { apiKeyCommand } from "./api-key.ts";
import { explainCommand } from "./explain.ts";
import { issuersCommand } from "./issuers.ts";
import { policyCommand } from "./policy.ts";
import { rolesCommand } from "./roles.ts";
import { settingsCommand } from "./settings.ts";
import { InputError, UsageError } from "./usage.ts";

/** `npm run mint -- <command>`: the commands for operators. They read the mint's files and do not need it to run. */

const USAGE = `usage: npm run mint -- <command>
       docker compose run --rm -T mint-cli <command>

  explain --claims FILE       shows which rule of the policy applies to a token, and what it grants
          [--issuer URL]      FILE has the token's decoded claims as JSON; - is standard input
          [--role ROLE] [--tag NAME=VALUE]... [--ttl SECONDS] [--json]
  policy check                checks the policy and lists its mistakes
  settings check              checks all settings, and with oidc the policy
  issuers check               fetches the keys of each issuer, as the mint does, and says what is wrong
                              (Docker: docker compose exec mint bun --no-env-file cli/main.js issuers check)
  roles check                 checks the role files and lists their mistakes
                              (Docker: docker compose run --rm nats-init check)
  api-key add --roles A,B     creates a key and prints it, only this once
          [--description TEXT] [--expires 90d]
  api-key list                lists the keys
  api-key remove ID           removes a key`;

const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  explain: (args) => explainCommand(args, readCliConfig()),
  policy: (args) => policyCommand(args, readCliConfig()),
  settings: settingsCommand,
  issuers: (args) => issuersCommand(args, readCliConfig()),
  roles: rolesCommand,
  "api-key": (args) => apiKeyCommand(args, readCliConfig()),
};

const [command = "", ...args] = process.argv.slice(2);
process.exitCode = await run();

/** The exit code: 0 for success, 1 for a refusal, 2 for invalid arguments or input. The reason has been printed. */
async function run(): Promise<number> {
  if (command === "--help" || command === "help" || args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  try {
    const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
    if (!run) {
      throw new UsageError(command ? `unknown command ${JSON.stringify(command)}` : "no command given");
    }
    return await run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${USAGE}`);
      return 2;
    }
    if (!(error instanceof MintError || error instanceof InputError)) throw error;
    console.error(error.message);
    return error instanceof InputError ? 2 : 1;
  }
}
