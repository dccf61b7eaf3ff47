import {
  isIssuerName,
  isIssuerUrl,
  isKeySetUrl,
  type OidcIssuer,
  TENANT,
  type Transport,
} from "../../core/policy/issuer.ts";
import { quote } from "../../util/quote.ts";
import { IssuerFaultError } from "./issuer-fault.ts";

/** Finds and fetches the keys that an OpenID issuer publishes: OpenID Connect Discovery 1.0, section 4. */

/** Milliseconds for one document, from the request to its last byte. */
const TIMEOUT = 5_000;
/** Bytes of one document, uncompressed. The largest key sets of big providers have a tenth of it. */
const MAX_BYTES = 256 * 1024;

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
 * @throws {IssuerFaultError} for a fault that stays until something is changed
 * @throws {Error} for any other; both with the cause, and nothing of the response's content
 */
export async function fetchKeySet(
  location: KeyLocation,
  signal: AbortSignal,
  options: FetchOptions = {},
): Promise<unknown> {
  if (!isIssuerName(location.issuer.replace(TENANT, "tenant"))) throw notAName();
  const uri = location.jwksUri ?? (await discover(location, signal, options));
  if (!isKeySetUrl(uri, options)) throw weakKeySet();
  return fetchJson("its key set", uri, signal, options);
}

async function discover(
  { issuer, discoveryUrl, discoveryIssuer = issuer }: KeyLocation,
  signal: AbortSignal,
  options: FetchOptions,
): Promise<string> {
  if (discoveryUrl === undefined ? !isIssuerUrl(issuer, options) : !isKeySetUrl(discoveryUrl, options)) {
    throw notAName();
  }
  // Section 4: a slash at the issuer's end is removed before the well-known path is appended.
  const url = discoveryUrl ?? `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const document = (await fetchJson("its discovery document", url, signal, options)) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  } | null;
  // Section 4.3: otherwise one issuer could publish the keys of another.
  if (document?.issuer !== discoveryIssuer) {
    throw otherIssuer(document?.issuer);
  }
  if (typeof document.jwks_uri !== "string") {
    throw new IssuerFaultError("its discovery document has no jwks_uri", {
      summary: "its discovery document has no jwks_uri",
      advice: "Configure jwks_uri",
    });
  }
  // The document must not lead to a weaker connection than its own.
  if (url.startsWith("https:") && !document.jwks_uri.startsWith("https:")) {
    throw weakKeySet();
  }
  return document.jwks_uri;
}

const notAName = () =>
  new IssuerFaultError("its name is not an https URL, or has a query, a fragment or a user", {
    summary: "its configuration is wrong",
    advice: "Configure discovery_url or jwks_uri, or correct the name",
  });

const weakKeySet = () =>
  new IssuerFaultError("its jwks_uri is not an https URL", {
    summary: "its keys are at a URL that is not https",
    advice: "Correct it at the issuer",
  });

function otherIssuer(name: unknown): IssuerFaultError {
  return new IssuerFaultError(
    `its discovery document names another issuer: ${typeof name === "string" ? quote(name) : "none"}`,
    {
      summary: "its discovery document names another issuer",
      advice: "Copy that spelling if tokens have it in iss; otherwise set discovery_issuer",
    },
  );
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
      throw refusedStatus(what, response.status);
    }
    text = await readText(response);
  } catch (error) {
    if (error instanceof IssuerFaultError) throw error;
    throw unreachable(what, error as Error);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new IssuerFaultError(`${what} is not JSON`, {
      summary: `${what} is not JSON`,
      advice: "Open its URL: it may be a page",
    });
  }
}

/** Statuses that a server has for a while; all others stay until something is changed. */
const isTemporary = (status: number) => status >= 500 || [408, 425, 429].includes(status);

function refusedStatus(what: string, status: number): Error {
  const cause = `${what} can't be fetched: the response was ${status}`;
  if (isTemporary(status)) return new Error(cause);
  const isRedirect = status >= 300 && status < 400;
  return new IssuerFaultError(cause, {
    summary: `${what} can't be fetched: ${isRedirect ? "it redirects" : `status ${status}`}`,
    advice: isRedirect
      ? "Redirects are not followed: configure the final URL"
      : "Check the URL in the settings",
  });
}

/** Codes of Node and Bun for a certificate of an authority that is not known. */
const UNKNOWN_AUTHORITY = [
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
];
/** The same for a certificate that is not valid for this host or time. */
const WRONG_CERTIFICATE = ["ERR_TLS_CERT_ALTNAME_INVALID", "CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];

/** Node says only "fetch failed" and has the reason in the cause. */
function unreachable(what: string, error: Error): Error {
  const { message, code } = (error.cause instanceof Error ? error.cause : error) as NodeJS.ErrnoException;
  const cause = `${what} can't be fetched: ${message || error.message}`;
  const summary = `${what} can't be fetched: its certificate is not accepted`;
  if (UNKNOWN_AUTHORITY.includes(code ?? "")) {
    return new IssuerFaultError(cause, { summary, advice: "Name the file of its authority in OIDC_CA_FILE" });
  }
  if (WRONG_CERTIFICATE.includes(code ?? "")) {
    return new IssuerFaultError(cause, { summary, advice: "Correct the issuer's certificate" });
  }
  return new Error(cause);
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
