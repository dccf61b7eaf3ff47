import { hash, sign } from "node:crypto";
import { fromSeed } from "@nats-io/jwt";
import { privateKeyOf } from "../src/core/keys/ed25519.ts";
import { decodeSeed, Prefix } from "../src/core/keys/nkey.ts";
import { encodeBase32 } from "../src/util/base32.ts";
import type { State } from "./state.ts";

/**
 * The minimum work for a user JWT: its claims, their hash, and a signature, with native functions. Nothing is validated.
 * No mint can be faster.
 */

/** Signs bytes with the role's key. */
export function bareSign({ seed }: State): (data: Uint8Array) => Buffer {
  const key = privateKeyOf(decodeSeed(Prefix.account, seed) ?? new Uint8Array());
  return (data) => sign(null, data, key);
}

/** Makes user JWTs with the same claims as the mint. */
export function bareJwt(state: State): (name: string, publicKey: string) => string {
  const signBytes = bareSign(state);
  const iss = fromSeed(Buffer.from(state.seed)).getPublicKey();
  const header = Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}').toString("base64url");
  return (name, publicKey) => {
    const iat = Math.floor(Date.now() / 1000);
    const nats = { issuer_account: state.account, type: "user", version: 2 };
    const claims = { iat, exp: iat + state.ttl, aud: "NATS", name, sub: publicKey, nats, iss };
    const json = JSON.stringify(claims);
    const jti = encodeBase32(hash("sha512-256", json, "buffer"));
    const signed = `${header}.${Buffer.from(`{"jti":"${jti}",${json.slice(1)}`).toString("base64url")}`;
    return `${signed}.${signBytes(Buffer.from(signed)).toString("base64url")}`;
  };
}
