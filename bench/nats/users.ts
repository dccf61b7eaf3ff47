import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, createOperator, encodeAccount, type SigningKeys } from "@nats-io/jwt";
import { accountSigner } from "../../src/core/ed25519.ts";
import { decodeJwt, encodeJwt } from "../../src/core/jwt.ts";
import { createMint } from "../../src/core/mint.ts";
import { parseSubjectToken } from "../../src/core/subject-token.ts";

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

interface Template {
  readonly pub: { readonly allow: readonly string[] };
  readonly sub: { readonly allow: readonly string[] };
  readonly [limit: string]: unknown;
}

export async function makeUsers(scratch: string): Promise<Users> {
  const browser = readBrowserRole();
  const subjects = Array.from({ length: LARGE / 2 }, (_, i) => `users.{{name()}}.devices.kind-${i}.>`);
  const large = { ...browser, pub: { allow: subjects }, sub: { allow: subjects } };
  const made = await makeAccount({ browser, large });
  const mint = createMint({ accountJwt: made.accountJwt, roles: made.roles });
  const inline = accountSigner(made.plainSeed);
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
      mint.mint({ role, user: parseSubjectToken(`person-${i}`) }),
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
  return { ...made, files };
}

/** For a program, which is told the file's name. */
export const readUsers = (file: string): User[] => JSON.parse(readFileSync(file, "utf8"));

/** The role as it is shipped, but that it may also connect over TCP. */
function readBrowserRole(): Template {
  const file = join(import.meta.dirname, "../../fs/nats-init/roles/browser.json");
  const { pub, sub, limits } = JSON.parse(readFileSync(file, "utf8"));
  return { pub, sub, allowed_connection_types: ["WEBSOCKET", "STANDARD"], data: -1, ...limits };
}

/** An account with a scoped signing key for each role, and one that signs users with permissions of their own. */
async function makeAccount(templates: Readonly<Record<string, Template>>) {
  const operator = createOperator();
  const [account, system, plain] = [createAccount(), createAccount(), createAccount()];
  const roles = Object.entries(templates).map(([role, template]) => ({
    role,
    template,
    key: createAccount(),
  }));
  const scopes = roles.map(({ role, template, key }) => ({
    kind: "user_scope",
    key: key.getPublicKey(),
    role,
    template,
  }));
  const claims = {
    signing_keys: [plain.getPublicKey(), ...scopes] as unknown as SigningKeys,
    limits: { conn: -1, subs: -1, payload: -1, data: -1 },
  };
  const seed = (key: typeof plain) => Buffer.from(key.getSeed()).toString();
  return {
    operator: operator.getPublicKey(),
    account: account.getPublicKey(),
    accountJwt: await encodeAccount("app", account, claims, { signer: operator }),
    system: system.getPublicKey(),
    systemJwt: await encodeAccount("SYS", system, {}, { signer: operator }),
    plainSeed: seed(plain),
    roles: Object.fromEntries(roles.map(({ role, key }) => [role, { seed: seed(key), ttl: LIFETIME }])),
  };
}
