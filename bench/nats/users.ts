import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, createOperator, encodeAccount } from "@nats-io/jwt";
import { accountSigner } from "../../src/core/keys/ed25519.ts";
import { decodeJwt, encodeJwt } from "../../src/core/keys/jwt.ts";
import { createMint } from "../../src/core/mint.ts";
import { makeAccount } from "../../src/core/roles/account.fixture.ts";
import { parseSubjectToken } from "../../src/core/subject-token.ts";
import { readBrowserRole } from "../state.ts";

/** The users that log in: each twice, with permissions in the account JWT and with permissions in the user JWT. */

/** The credential of a client. */
export interface User {
  readonly name: string;
  readonly jwt: string;
  readonly seed: string;
}

export interface Users {
  /** The public key that the server trusts. It verifies the account JWT. */
  readonly operator: string;
  readonly account: string;
  readonly accountJwt: string;
  /** The system account, to which the server reports logins, as in the recipe. */
  readonly system: string;
  readonly systemJwt: string;
  /** The file with the users of each kind of credential. */
  readonly files: ReadonlyMap<string, string>;
}

export const SCOPED = "scoped, role `browser`";
export const INLINE = "inline, the same permissions";
export const SCOPED_LARGE = "scoped, a role of 50 subjects";
export const INLINE_LARGE = "inline, the same 50 subjects";

/** Enough that the server has cached nothing for them, and few enough to be made quickly. */
const USERS = 500;
/** Seconds; longer than the benchmark takes. */
const LIFETIME = 900;
/** Subjects of a large role: one half to publish to, one to subscribe to. */
const LARGE = 50;

export async function makeUsers(scratch: string): Promise<Users> {
  // As it is shipped, but it may also connect over TCP.
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
    const credentials = Array.from({ length: USERS }, (_, i) =>
      mint.issue({ role, user: parseSubjectToken(`client-${i}`) }),
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

/** Reads the file that a program gets on its command line. */
export const readUsers = (file: string): User[] => JSON.parse(readFileSync(file, "utf8"));
