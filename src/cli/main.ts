import { readCliConfig } from "../config/cli.ts";
import { MintError } from "../core/errors.ts";
import { apiKeyCommand } from "./api-key.ts";
import { explainCommand } from "./explain.ts";
import { policyCommand } from "./policy.ts";
import { InputError, UsageError } from "./usage.ts";

/** `npm run mint -- <command>`: what an operator asks the mint without HTTP. */

const USAGE = `usage: npm run mint -- <command>
       docker compose run --rm -T mint-cli <command>

  explain --claims FILE       who gets what: which rule of the policy decides, and what it gives
          [--issuer URL]      FILE holds a token's claims as JSON, decoded; - reads them from standard input
          [--role ROLE] [--tag NAME=VALUE]... [--ttl SECONDS] [--json]
  policy check                says what is wrong with the policy
  api-key add --roles A,B     makes a key and prints it, this once
          [--description TEXT] [--expires 90d]
  api-key list                shows the keys that there are
  api-key remove ID           ends a key`;

const COMMANDS = { explain: explainCommand, policy: policyCommand, "api-key": apiKeyCommand };

const [command = "", ...args] = process.argv.slice(2);
process.exitCode = await run();

/** 0: done. 1: refused. 2: not a command, or not on this input. It has been said why. */
async function run(): Promise<number> {
  if (command === "--help" || command === "help" || args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  try {
    if (!Object.hasOwn(COMMANDS, command)) {
      throw new UsageError(command ? `there is no command ${JSON.stringify(command)}` : "which command?");
    }
    return await COMMANDS[command as keyof typeof COMMANDS](args, readCliConfig());
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
