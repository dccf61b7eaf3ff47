import { issuerNames, type OidcIssuer } from "../../core/policy/issuer.ts";
import { quote } from "../../util/quote.ts";
import { type FetchDocument, fetchKeySet } from "./discovery.ts";
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
  /** Receives the reason when an issuer's keys can no longer be fetched, and again when the reason changes. */
  readonly onWarning: (message: string) => void;
  /** Milliseconds that an issuer's keys stay in use when they can't be fetched again. */
  readonly maxStale: number;
  /** Milliseconds for each document of discovery. */
  readonly timeout: number;
  readonly allowHttp?: boolean | undefined;
  readonly fetch?: FetchDocument | undefined;
}

/**
 * A row of the table. It stays the same object as long as the issuer's entry does not change. An entry with tenants has
 * one row under several names.
 */
export interface TrustedIssuer extends Required<Pick<JwtIssuer, "issuer" | "method" | "audience">> {
  readonly algorithms?: readonly string[];
  readonly audienceClaim?: string;
  readonly tenants?: readonly string[];
  readonly keys: IssuerKeys;
}

export interface IssuerTable {
  /** The rows for the current list, by `iss`. An entry that was changed or removed loses its keys. */
  current(): ReadonlyMap<string, TrustedIssuer>;
  /** The same rows, each once. */
  rows(): readonly TrustedIssuer[];
  /** Ends fetches that are under way. The rows don't change any more. */
  close(): void;
}

interface Row extends TrustedIssuer {
  readonly entry: JwtIssuer;
}

/** Discovery fetches two documents, and its own timeouts report more than that of the whole. */
const DOCUMENTS = 3;

/** Makes the table from a list of issuers that may change. */
export function issuerTable(options: IssuerTableOptions): IssuerTable {
  const { issuers, now, onWarning, maxStale, timeout, allowHttp, fetch } = options;
  const documents = { timeout, allowHttp, fetch };
  let list: readonly JwtIssuer[] | undefined;
  let rows: ReadonlyMap<string, Row> = new Map();
  let isClosed = false;

  function makeRow(entry: JwtIssuer, before: Row | undefined): Row {
    if (before && isSameEntry(before.entry, entry)) return before;
    const { fetchKeySet: fetchKeys = (signal) => fetchKeySet(entry, signal, documents) } = entry;
    return {
      ...entry,
      method: entry.method ?? "oidc",
      entry,
      keys: issuerKeys({
        issuer: entry.issuer,
        fetchKeySet: fetchKeys,
        now,
        onWarning,
        maxStale,
        timeout: DOCUMENTS * timeout,
      }),
    };
  }

  /** The entry's row under each of its names. */
  function rowsOf(entry: JwtIssuer, before: ReadonlyMap<string, Row>): [string, Row][] {
    const names = issuerNames(entry);
    const row = makeRow(entry, before.get(names[0] ?? ""));
    return names.map((name) => [name, row]);
  }

  function current(): ReadonlyMap<string, Row> {
    const next = issuers();
    if (next === list || isClosed) return rows;
    const before = rows;
    const entries = withoutDuplicates(next, onWarning);
    rows = new Map(entries.flatMap((entry) => rowsOf(entry, before)));
    list = next;
    const kept = new Set(rows.values());
    for (const row of before.values()) {
      if (!kept.has(row)) row.keys.close();
    }
    return rows;
  }

  return {
    current,
    rows: () => [...new Set(current().values())],
    close() {
      isClosed = true;
      for (const { keys } of rows.values()) keys.close();
    },
  };
}

/** An `iss` that is listed twice belongs to neither entry: one method could otherwise take over another one's issuer. */
function withoutDuplicates(
  entries: readonly JwtIssuer[],
  onWarning: (message: string) => void,
): readonly JwtIssuer[] {
  const counts = new Map<string, number>();
  for (const name of entries.flatMap(issuerNames)) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [issuer, count] of counts) {
    if (count > 1)
      onWarning(`issuer ${quote(issuer)}: is configured ${count} times, so its tokens are refused`);
  }
  return entries.filter((entry) => issuerNames(entry).every((name) => counts.get(name) === 1));
}

const isSameEntry = (a: JwtIssuer, b: JwtIssuer): boolean =>
  a.fetchKeySet === b.fetchKeySet && JSON.stringify(a) === JSON.stringify(b);
