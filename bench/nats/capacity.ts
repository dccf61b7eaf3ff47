/** How many browsers one core of the mint and one of the server serve, worked out from what was measured. */

export interface Rates {
  /** Seconds that a credential lives. */
  readonly ttl: number;
  /** Logins for each second that the server's processor works. */
  readonly logins: number;
  /** Bytes of the server's memory for each page that is connected. */
  readonly bytes: number | undefined;
  /** Credentials for each second that the mint's processor works; undefined when it was not measured. */
  readonly credentials: number | undefined;
}

export interface Need {
  readonly browsers: number;
  /** Each is a request to the mint, and a login: the page goes over to a new connection. */
  readonly renewalsPerSecond: number;
  /** Seconds of processor time that they take in a second. */
  readonly mintLoad: number | undefined;
  readonly serverLoad: number;
  /** Bytes. */
  readonly memory: number | undefined;
  /** Seconds of processor time until all are back, when everything has been started anew. */
  readonly mintReturn: number | undefined;
  readonly serverReturn: number;
}

/** A page renews when between 15 and 25 % of the credential's life are left (`src/browser/credential/credential.ts`): on average 20. */
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

/** How many browsers a core keeps renewed that does nothing else. */
export const mostBrowsers = (perSecond: number, { ttl }: Rates): number => perSecond * ttl * RENEWED_AFTER;
