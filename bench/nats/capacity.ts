/** Calculates from the measurements how many browsers one core of the mint and one of the server can serve. */

export interface Rates {
  /** The lifetime of a credential in seconds. */
  readonly ttl: number;
  /** Logins per second of the server's processor time. */
  readonly logins: number;
  /** Bytes of the server's memory for each connected page. */
  readonly bytes: number | undefined;
  /** Credentials per second of the mint's processor time; undefined if it was not measured. */
  readonly credentials: number | undefined;
}

export interface Need {
  readonly browsers: number;
  /** Each is one request to the mint and one login, since the page opens a new connection. */
  readonly renewalsPerSecond: number;
  /** Seconds of processor time per second that the renewals need. */
  readonly mintLoad: number | undefined;
  readonly serverLoad: number;
  /** Bytes. */
  readonly memory: number | undefined;
  /** Seconds of processor time until all are connected again after a restart of everything. */
  readonly mintReturn: number | undefined;
  readonly serverReturn: number;
}

/** A page renews when between 15 and 25 % of the credential's lifetime are left (`src/browser/credential/credential.ts`): on average 20. */
const RENEWED_AFTER = 0.8;

export function need(browsers: number, { ttl, logins, bytes, credentials }: Rates): Need {
  const renewalsPerSecond = browsers / (ttl * RENEWED_AFTER);
  return {
    browsers,
    renewalsPerSecond,
    mintLoad: credentials && renewalsPerSecond / credentials,
    serverLoad: renewalsPerSecond / logins,
    memory: bytes && browsers * bytes,
    mintReturn: credentials && browsers / credentials,
    serverReturn: browsers / logins,
  };
}

/** The number of browsers whose renewals use one core completely. */
export const mostBrowsers = (perSecond: number, { ttl }: Rates): number => perSecond * ttl * RENEWED_AFTER;
