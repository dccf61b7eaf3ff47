import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createUser, decode } from "@nats-io/jwt";
import { makeAccount, type RoleTemplate } from "../src/core/roles/account.fixture.ts";

/** The input of all contenders: an account, the key of its role `browser`, and users. New for each run. */
export interface State {
  readonly account: string;
  readonly accountJwt: string;
  /** The seed of the role's key. */
  readonly seed: string;
  /** The lifetime of a user JWT in seconds. */
  readonly ttl: number;
  /** The permissions of the role, for contenders that write them into each JWT. */
  readonly permissions: { readonly pub: readonly string[]; readonly sub: readonly string[] };
  /** So many that a cache of recent keys does not help. */
  readonly publicKeys: readonly string[];
}

const PUBLIC_KEYS = 1000;

/** The directory with all files of one run, readable by this user only. */
export const makeScratch = (): string => mkdtempSync(join(tmpdir(), "bench-"));

/** Makes the state and writes it: one file for the contenders, and a directory as `nats-export` writes it for the service. */
export async function makeState(scratch: string): Promise<State> {
  const { template, ttl } = readBrowserRole();
  const { accountJwt, publicKey, seeds } = await makeAccount({ browser: template });
  const state: State = {
    account: publicKey,
    accountJwt,
    seed: seeds.browser ?? "",
    ttl,
    permissions: { pub: template.pub?.allow ?? [], sub: template.sub?.allow ?? [] },
    publicKeys: Array.from({ length: PUBLIC_KEYS }, () => createUser().getPublicKey()),
  };
  writeFileSync(stateFile(scratch), JSON.stringify(state));
  writeFileSync(publicKeysFile(scratch), state.publicKeys.join("\n"));
  const version = join(keysDir(scratch), "1");
  mkdirSync(version, { recursive: true });
  writeFileSync(join(version, "account.jwt"), accountJwt);
  writeFileSync(join(version, "roles.json"), JSON.stringify({ browser: { ttl } }));
  writeFileSync(join(version, "browser.nk"), state.seed);
  symlinkSync("1", join(keysDir(scratch), "current"));
  return state;
}

/** The role as it is shipped. */
export function readBrowserRole(): { readonly template: RoleTemplate; readonly ttl: number } {
  const file = join(import.meta.dirname, "../fs/nats-init/roles/browser.json");
  const { pub, sub, connection_types, limits, ttl } = JSON.parse(readFileSync(file, "utf8"));
  return { template: { pub, sub, allowed_connection_types: connection_types, data: -1, ...limits }, ttl };
}

export const stateFile = (scratch: string) => join(scratch, "state.json");
export const publicKeysFile = (scratch: string) => join(scratch, "public-keys");
export const keysDir = (scratch: string) => join(scratch, "keys");

/** Reads the file that a contender gets on its command line. */
export const readState = (file: string): State => JSON.parse(readFileSync(file, "utf8"));

/** @throws if a contender has made something else than a user JWT of this account */
export function checkJwt(jwt: unknown, { account }: State): void {
  const { sub, nats } = decode<{ issuer_account: string }>(String(jwt));
  if (nats.issuer_account !== account || !sub.startsWith("U"))
    throw new Error("the contender made a JWT that is not of a user of the account");
}
