import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { makeAccount, type RoleTemplate } from "../../src/core/roles/account.fixture.ts";

/** Runs the mint's commands as processes, on files in a directory of their own. */

const projectDir = join(import.meta.dirname, "../..");

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `src/cli/main.ts` with this environment and PATH, and no other variables. */
export async function runCommand(args: string[], env: Record<string, string>, stdin = ""): Promise<Result> {
  const child = Bun.spawn([process.execPath, "--no-env-file", join(projectDir, "src/cli/main.ts"), ...args], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([child.exited, text(child.stdout), text(child.stderr)]);
  return { code, out, err };
}

/** A directory for a policy, API keys and exported keys, none of which exist yet. */
export async function makeWorkspace() {
  const dir = await mkdtemp(join(tmpdir(), "mint-cli-"));
  const env: Record<string, string> = {
    MINT_POLICY_FILE: join(dir, "policy.json"),
    MINT_API_KEYS_FILE: join(dir, "api-keys.json"),
    MINT_KEYS_DIR: join(dir, "keys"),
    // Set, so that those of .env are not used.
    OIDC_ISSUER: "",
    OIDC_AUDIENCE: "",
  };
  return {
    dir,
    env,
    apiKeysFile: join(dir, "api-keys.json"),
    run: (args: string[], stdin?: string) => runCommand(args, env, stdin),
    writePolicy: (policy: unknown) =>
      writeFile(join(dir, "policy.json"), typeof policy === "string" ? policy : JSON.stringify(policy)),

    async writeClaims(claims: unknown): Promise<string> {
      const path = join(dir, "claims.json");
      await writeFile(path, typeof claims === "string" ? claims : JSON.stringify(claims));
      return path;
    },

    /** Exports keys for these roles, as `nats-export` does, each with a lifetime of `ttl` seconds. */
    async exportKeys(roles: Record<string, RoleTemplate>, ttl = 900): Promise<void> {
      const { accountJwt, seeds } = await makeAccount(roles);
      const version = join(dir, "keys", "v1");
      await mkdir(version, { recursive: true });
      const lifetimes = Object.fromEntries(Object.keys(roles).map((role) => [role, { ttl }]));
      await writeFile(join(version, "account.jwt"), accountJwt);
      await writeFile(join(version, "roles.json"), JSON.stringify(lifetimes));
      for (const [role, seed] of Object.entries(seeds)) await writeFile(join(version, `${role}.nk`), seed);
      await symlink("v1", join(dir, "keys", "current"));
    },

    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  };
}
