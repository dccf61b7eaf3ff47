import { text as readAll } from "node:stream/consumers";
import type { Identity } from "../core/identity.ts";
import { readText } from "../files/read.ts";
import { parseJson } from "../util/strict-json.ts";
import { InputError } from "./usage.ts";

/** `{"` in base64, and two more parts. */
const ENCODED_JWT = /eyJ[\w+/=-]*\.[\w+/=-]+\./;

/**
 * The identity that a token with these claims proves. Its end is left out: claims that one looks at are often of a
 * token that has ended, and it is not the question here.
 * @param path a file of JSON; `-` is standard input
 * @throws {InputError} when they are not the claims of a token, or still encoded
 */
export async function readIdentity(path: string, issuer: string | undefined): Promise<Identity> {
  const claims = parseClaims(await readClaims(path));
  const { iss = issuer, sub } = claims;
  if (typeof iss !== "string" || iss === "") {
    throw new InputError("the claims have no iss: --issuer says whose they are");
  }
  if (typeof sub !== "string" || sub === "") throw new InputError("the claims have no sub");
  return { method: "oidc", issuer: issuer ?? iss, subject: sub, claims };
}

async function readClaims(path: string): Promise<string> {
  if (path === "-") return readAll(process.stdin);
  const text = await readText(path);
  if (text === undefined) throw new InputError(`--claims: there is no file ${JSON.stringify(path)}`);
  return text;
}

function parseClaims(text: string): Record<string, unknown> {
  if (ENCODED_JWT.test(text)) {
    throw new InputError(
      "this holds a token, which whoever has it can use. Wanted are its claims, decoded: " +
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
