import { createAccount, createOperator, encodeAccount, type KeyPair, type SigningKeys } from "@nats-io/jwt";
import type { PermissionClaims } from "./account.ts";

/** For tests: an account JWT with scoped signing keys, made with the official libraries. */

export type RoleTemplate = PermissionClaims & {
  allowed_connection_types?: string[];
  subs?: number;
  payload?: number;
  data?: number;
};

export const BROWSER: RoleTemplate = {
  pub: { allow: ["users.{{name()}}.>"] },
  sub: { allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>"] },
  allowed_connection_types: ["WEBSOCKET"],
};

export interface AccountFixture {
  accountJwt: string;
  publicKey: string;
  /** The seed of the account's identity key. */
  accountSeed: string;
  /** The seeds of its scoped signing keys, by role. */
  seeds: Record<string, string>;
  /** The seed of a signing key without a role. */
  plainSeed: string;
}

interface Options {
  name?: string;
  tags?: string[];
  exp?: number;
  defaultPermissions?: PermissionClaims;
  operator?: KeyPair;
}

/** Makes an account with one scoped signing key for each of these roles. */
export async function makeAccount(
  roles: Record<string, RoleTemplate> = { browser: BROWSER },
  { name = "APP", tags = [], exp, defaultPermissions, operator = createOperator() }: Options = {},
): Promise<AccountFixture> {
  const account = createAccount();
  const plain = createAccount();
  const signing = Object.entries(roles).map(([role, template]) => ({ role, template, key: createAccount() }));
  const signingKeys = [
    plain.getPublicKey(),
    ...signing.map(({ role, template, key }) => ({
      kind: "user_scope",
      key: key.getPublicKey(),
      role,
      template,
    })),
  ];
  const claims = {
    signing_keys: signingKeys as unknown as SigningKeys,
    tags,
    limits: { conn: -1, subs: -1, payload: -1, data: -1 },
    ...(defaultPermissions && { default_permissions: defaultPermissions as object }),
  };
  const options = { signer: operator, ...(exp !== undefined && { exp }) };
  return {
    accountJwt: await encodeAccount(name, account, claims, options),
    publicKey: account.getPublicKey(),
    accountSeed: text(account.getSeed()),
    seeds: Object.fromEntries(signing.map(({ role, key }) => [role, text(key.getSeed())])),
    plainSeed: text(plain.getSeed()),
  };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
