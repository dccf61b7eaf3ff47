import { isIssuerUrl, isKeySetUrl, type OidcIssuer } from "../../core/policy/issuer.ts";
import { quote } from "../../util/quote.ts";

/** Finds and fetches the keys that an OpenID issuer publishes: OpenID Connect Discovery 1.0, section 4. */

/** Milliseconds for one document, from the request to its last byte. */
const TIMEOUT = 5_000;
/** Bytes of one document, uncompressed. The largest key sets of big providers have a tenth of it. */
const MAX_BYTES = 256 * 1024;

/**
 * Fetches an issuer's key set, whose content is for the caller to check. Redirects are not followed, so that only the
 * configured issuer decides where its keys come from.
 * @param timeout milliseconds for each of the two documents
 * @throws {Error} with the cause, and nothing of the response's content
 */
export async function fetchKeySet(
  { issuer, jwksUri }: Pick<OidcIssuer, "issuer" | "jwksUri">,
  signal: AbortSignal,
  timeout = TIMEOUT,
): Promise<unknown> {
  if (!isIssuerUrl(issuer))
    throw new Error("its name is not an https URL, or has a query, a fragment or a user");
  const uri = jwksUri ?? (await discover(issuer, signal, timeout));
  if (!isKeySetUrl(uri)) throw new Error("its jwks_uri is not an https URL");
  return fetchJson("its key set", uri, signal, timeout);
}

async function discover(issuer: string, signal: AbortSignal, timeout: number): Promise<string> {
  // Section 4: a slash at the issuer's end is removed before the well-known path is appended.
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const document = (await fetchJson("its discovery document", url, signal, timeout)) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  } | null;
  // Section 4.3: otherwise one issuer could publish the keys of another.
  if (document?.issuer !== issuer) {
    const named = typeof document?.issuer === "string" ? quote(document.issuer) : "none";
    throw new Error(`its discovery document names another issuer: ${named}`);
  }
  if (typeof document.jwks_uri !== "string") throw new Error("its discovery document has no jwks_uri");
  // The document must not lead to a weaker connection than the issuer's own.
  if (issuer.startsWith("https:") && !document.jwks_uri.startsWith("https:")) {
    throw new Error("its jwks_uri is not an https URL");
  }
  return document.jwks_uri;
}

async function fetchJson(what: string, url: string, closing: AbortSignal, timeout: number): Promise<unknown> {
  let text: string;
  try {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeout)]);
    const response = await fetch(url, {
      redirect: "manual",
      signal,
      headers: { Accept: "application/json, application/jwk-set+json" },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the response was ${response.status}`);
    }
    text = await readText(response);
  } catch (error) {
    throw new Error(`${what} can't be fetched: ${reasonOf(error as Error)}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${what} is not JSON`);
  }
}

/** Node says only "fetch failed" and has the reason in the cause. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error && cause.message ? cause.message : message;
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
