import {
  isIssuerName,
  isIssuerUrl,
  isKeySetUrl,
  type OidcIssuer,
  TENANT,
  type Transport,
} from "../../core/policy/issuer.ts";
import { quote } from "../../util/quote.ts";

/** Finds and fetches the keys that an OpenID issuer publishes: OpenID Connect Discovery 1.0, section 4. */

/** Milliseconds for one document, from the request to its last byte. */
const TIMEOUT = 5_000;
/** Bytes of one document, uncompressed. The largest key sets of big providers have a tenth of it. */
const MAX_BYTES = 256 * 1024;

const NOT_A_NAME = "its name is not an https URL, or has a query, a fragment or a user";

export interface FetchOptions extends Transport {
  /** Milliseconds for each of the two documents. */
  readonly timeout?: number;
  /** The platform's `fetch` by default. */
  readonly fetch?: FetchDocument | undefined;
}

/** `fetch`, as far as documents need it. */
export type FetchDocument = (url: string, init: RequestInit) => Promise<Response>;

/** Where an issuer's keys are. */
export type KeyLocation = Pick<OidcIssuer, "issuer" | "discoveryUrl" | "discoveryIssuer" | "jwksUri">;

/**
 * Fetches an issuer's key set, whose content is for the caller to check. Redirects are not followed, so that only the
 * configured issuer decides where its keys come from.
 * @throws {Error} with the cause, and nothing of the response's content
 */
export async function fetchKeySet(
  location: KeyLocation,
  signal: AbortSignal,
  options: FetchOptions = {},
): Promise<unknown> {
  if (!isIssuerName(location.issuer.replace(TENANT, "tenant"))) throw new Error(NOT_A_NAME);
  const uri = location.jwksUri ?? (await discover(location, signal, options));
  if (!isKeySetUrl(uri, options)) throw new Error("its jwks_uri is not an https URL");
  return fetchJson("its key set", uri, signal, options);
}

async function discover(
  { issuer, discoveryUrl, discoveryIssuer = issuer }: KeyLocation,
  signal: AbortSignal,
  options: FetchOptions,
): Promise<string> {
  if (discoveryUrl === undefined ? !isIssuerUrl(issuer, options) : !isKeySetUrl(discoveryUrl, options)) {
    throw new Error(NOT_A_NAME);
  }
  // Section 4: a slash at the issuer's end is removed before the well-known path is appended.
  const url = discoveryUrl ?? `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const document = (await fetchJson("its discovery document", url, signal, options)) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  } | null;
  // Section 4.3: otherwise one issuer could publish the keys of another.
  if (document?.issuer !== discoveryIssuer) {
    const named = typeof document?.issuer === "string" ? quote(document.issuer) : "none";
    throw new Error(`its discovery document names another issuer: ${named}`);
  }
  if (typeof document.jwks_uri !== "string") throw new Error("its discovery document has no jwks_uri");
  // The document must not lead to a weaker connection than its own.
  if (url.startsWith("https:") && !document.jwks_uri.startsWith("https:")) {
    throw new Error("its jwks_uri is not an https URL");
  }
  return document.jwks_uri;
}

async function fetchJson(
  what: string,
  url: string,
  closing: AbortSignal,
  { timeout = TIMEOUT, fetch: fetchDocument = fetch }: FetchOptions,
): Promise<unknown> {
  let text: string;
  try {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeout)]);
    const response = await fetchDocument(url, {
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
