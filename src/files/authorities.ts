import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { ConfigError } from "../core/errors.ts";
import { readText } from "./read.ts";

/** A file of certificates of private authorities, for connections to servers that have theirs from one of them. */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * `fetch` that also accepts certificates of the authorities in this file. Undefined without a file.
 * @throws {ConfigError} when the file can't be used
 */
export async function fetchTrusting(
  caFile: string | undefined,
): Promise<((url: string, init: RequestInit) => Promise<Response>) | undefined> {
  if (caFile === undefined) return undefined;
  const ca = [...rootCertificates, ...(await readAuthorities(caFile))];
  // Only Bun's `fetch` has the option `tls`.
  return (url, init) => fetch(url, { ...init, tls: { ca } } as BunFetchRequestInit);
}

async function readAuthorities(path: string): Promise<string[]> {
  const refuse = (came: string) =>
    new ConfigError(`OIDC_CA_FILE: ${path}: ${came}, wanted one or more certificates in PEM`);
  const text = await readText(path);
  if (text === undefined) throw refuse("does not exist");
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw refuse("has no certificate");
  for (const [i, certificate] of certificates.entries()) {
    if (!isCertificate(certificate)) throw refuse(`its certificate number ${i + 1} is damaged`);
  }
  return certificates;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}
