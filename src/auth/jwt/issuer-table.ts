import type { OidcIssuer } from "../../core/policy/issuer.ts";
import { fetchKeySet } from "./discovery.ts";
import { type IssuerKeys, issuerKeys } from "./issuer-keys.ts";

/** The issuers whose JWTs are accepted, by their `iss`, each with its keys. */

/** An issuer of JWTs. */
export interface JwtIssuer extends OidcIssuer {
  /** The authentication method that its tokens belong to; `oidc` by default. */
  readonly method?: string;
  /** Fetches its JWK Set; by default with OpenID Connect Discovery. @throws {Error} with the cause */
  readonly fetchKeySet?: (signal: AbortSignal) => Promise<unknown>;
}

export interface IssuerTableOptions {
  /** Returns the issuers, each `iss` once. Called at each request; a change must be a new list. */
  readonly issuers: () => readonly JwtIssuer[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Receives the reason, once, when an issuer's keys can no longer be fetched. */
  readonly onWarning: (message: string) => void;
  /** Milliseconds that an issuer's keys stay in use when they can't be fetched again. */
  readonly maxStale: number;
  /** Milliseconds for each document of discovery. */
  readonly timeout: number | undefined;
}

/** A row of the table. It stays the same object as long as the issuer's entry does not change. */
export interface TrustedIssuer extends Required<Pick<JwtIssuer, "issuer" | "method" | "audience">> {
  readonly algorithms?: readonly string[];
  readonly keys: IssuerKeys;
}

export interface IssuerTable {
  /** The rows for the current list, by `iss`. An entry that was changed or removed loses its keys. */
  current(): ReadonlyMap<string, TrustedIssuer>;
  /** Ends fetches that are under way. The rows don't change any more. */
  close(): void;
}

interface Row extends TrustedIssuer {
  readonly entry: JwtIssuer;
}

/** Makes the table from a list of issuers that may change. */
export function issuerTable(options: IssuerTableOptions): IssuerTable {
  const { issuers, now, onWarning, maxStale, timeout } = options;
  let list: readonly JwtIssuer[] | undefined;
  let rows: ReadonlyMap<string, Row> = new Map();
  let isClosed = false;

  function makeRow(entry: JwtIssuer, before: Row | undefined): Row {
    if (before && isSameEntry(before.entry, entry)) return before;
    const { fetchKeySet: fetchKeys = (signal) => fetchKeySet(entry, signal, timeout) } = entry;
    return {
      ...entry,
      method: entry.method ?? "oidc",
      entry,
      keys: issuerKeys({ issuer: entry.issuer, fetchKeySet: fetchKeys, now, onWarning, maxStale }),
    };
  }

  return {
    current() {
      const next = issuers();
      if (next === list || isClosed) return rows;
      const before = rows;
      rows = new Map(next.map((entry) => [entry.issuer, makeRow(entry, before.get(entry.issuer))]));
      list = next;
      for (const row of before.values()) {
        if (rows.get(row.issuer) !== row) row.keys.close();
      }
      return rows;
    },
    close() {
      isClosed = true;
      for (const { keys } of rows.values()) keys.close();
    },
  };
}

const isSameEntry = (a: JwtIssuer, b: JwtIssuer): boolean =>
  a.fetchKeySet === b.fetchKeySet && JSON.stringify(a) === JSON.stringify(b);
