import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, createOperator, encodeAccount } from "@nats-io/jwt";
import { accountSigner } from "../../src/core/keys/ed25519.ts";
import { decodeJwt, encodeJwt } from "../../src/core/keys/jwt.ts";
import { createMint } from "../../src/core/mint.ts";
import { makeAccount } from "../../src/core/roles/account.fixture.ts";
import { parseSubjectToken } from "../../src/core/subject-token.ts";
import { readBrowserRole } from "../state.ts";

/** Who logs in: the same people twice, with permissions that stand in the account's JWT, and in their own. */

/** What a client logs in with. */
export interface User {
  readonly name: string;
  readonly jwt: string;
  readonly seed: string;
}

export interface Users {
  /** The key that the server trusts: the account's JWT is signed with it. */
  readonly operator: string;
  readonly account: string;
  readonly accountJwt: string;
  /** Where the server tells of logins, as it does in the recipe. */
  readonly system: string;
  readonly systemJwt: string;
  /** By kind of credential, the file that has its users. */
  readonly files: ReadonlyMap<string, string>;
}

export const SCOPED = "scoped, role `browser`";
export const INLINE = "inline, the same permissions";
export const SCOPED_LARGE = "scoped, a role of 50 subjects";
export const INLINE_LARGE = "inline, the same 50 subjects";

/** So many that the server has nothing ready for any of them, and that they are soon made. */
const PEOPLE = 500;
/** Seconds; longer than all this takes. */
const LIFETIME = 900;
/** One half to publish to, one to subscribe to. */
const LARGE = 50;

export async function makeUsers(scratch: string): Promise<Users> {
  // As it is shipped, but that it may also connect over TCP.
  const browser = { ...readBrowserRole().template, allowed_connection_types: ["WEBSOCKET", "STANDARD"] };
  const subjects = Array.from({ length: LARGE / 2 }, (_, i) => `users.{{name()}}.devices.kind-${i}.>`);
  const large = { ...browser, pub: { allow: subjects }, sub: { allow: subjects } };
  const operator = createOperator();
  const system = createAccount();
  const { accountJwt, publicKey, seeds, plainSeed } = await makeAccount({ browser, large }, { operator });
  const roles = Object.fromEntries(
    Object.entries(seeds).map(([role, seed]) => [role, { seed, ttl: LIFETIME }]),
  );
  const mint = createMint({ accountJwt, roles });
  const inline = accountSigner(plainSeed);
  if (!inline) throw new Error("the account's signing key can't be loaded");

  const files = new Map<string, string>();
  const write = (kind: string, users: readonly User[]) => {
    const file = join(scratch, `users-${files.size}`);
    writeFileSync(file, JSON.stringify(users), { mode: 0o600 });
    files.set(kind, file);
  };
  for (const [role, template, scopedKind, inlineKind] of [
    ["browser", browser, SCOPED, INLINE],
    ["large", large, SCOPED_LARGE, INLINE_LARGE],
  ] as const) {
    const credentials = Array.from({ length: PEOPLE }, (_, i) =>
      mint.issue({ role, user: parseSubjectToken(`person-${i}`) }),
    );
    write(
      scopedKind,
      credentials.map(({ user: name, jwt, seed = "" }) => ({ name, jwt, seed })),
    );
    write(
      inlineKind,
      credentials.map(({ user: name, jwt, seed = "", permissions }) => {
        const { iat, exp, aud, sub, nats } = decodeJwt(jwt) as Record<string, object>;
        const claims = { iat, exp, aud, name, sub, nats: { ...template, ...permissions, ...nats } };
        return { name, jwt: encodeJwt(claims, inline).jwt, seed };
      }),
    );
  }
  return {
    operator: operator.getPublicKey(),
    account: publicKey,
    accountJwt,
    system: system.getPublicKey(),
    systemJwt: await encodeAccount("SYS", system, {}, { signer: operator }),
    files,
  };
}

/** For a program, which is told the file's name. */
export const readUsers = (file: string): User[] => JSON.parse(readFileSync(file, "utf8"));
