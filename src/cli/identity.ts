import { text as readAll } from "node:stream/consumers";
import type { Identity } from "../core/identity.ts";
import { readText } from "../files/read.ts";
import { parseJson } from "../util/strict-json.ts";
import { InputError } from "./usage.ts";

/** A JWT: a first part that starts with `{"` in base64, and two more parts. */
const ENCODED_JWT = /eyJ[\w+/=-]*\.[\w+/=-]+\./;

/**
 * The identity that a token with these claims proves. The token's expiry is ignored, so that the claims of an expired
 * token can be examined.
 * @param path a JSON file with the claims; `-` is standard input
 * @param issuer replaces the claim `iss`
 * @throws {InputError} when the file does not contain the decoded claims of a token
 */
export async function readIdentity(path: string, issuer: string | undefined): Promise<Identity> {
  const claims = parseClaims(await readClaims(path));
  const { iss = issuer, sub } = claims;
  if (typeof iss !== "string" || iss === "") {
    throw new InputError("the claims have no iss; give the issuer with --issuer");
  }
  if (typeof sub !== "string" || sub === "") throw new InputError("the claims have no sub");
  return { method: "oidc", issuer: issuer ?? iss, subject: sub, claims };
}

async function readClaims(path: string): Promise<string> {
  if (path === "-") return readAll(process.stdin);
  const text = await readText(path);
  if (text === undefined) throw new InputError(`--claims: the file ${JSON.stringify(path)} does not exist`);
  return text;
}

function parseClaims(text: string): Record<string, unknown> {
  if (ENCODED_JWT.test(text)) {
    throw new InputError(
      "the input contains an encoded token, which is a credential. Pass its decoded claims instead: " +
        `jq -R 'split(".")[1] | gsub("-";"+") | gsub("_";"/") | @base64d | fromjson'`,
    );
  }
  let claims: unknown;
  try {
    claims = parseJson(text);
  } catch (error) {
    throw new InputError(`the file of claims ${(error as Error).message}`);
  }
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) {
    throw new InputError("the claims are not a JSON object");
  }
  return claims as Record<string, unknown>;
}
