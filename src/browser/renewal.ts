import {
  type Credential,
  type CredentialSource,
  type CredsResponse,
  readCredential,
} from "./credential/credential.ts";
import type { UserKey } from "./credential/key.ts";
import { CredentialError, UnauthorizedError } from "./errors.ts";
import type { Listener } from "./events.ts";
import { backoff, stopwatch, withTimeout } from "./time.ts";

/** Gets credentials from a source, one after the other; retries until there is one, or until there will be none. */
export interface Renewal {
  /** The current credential. */
  credential(): Credential;
  /** Resolves with a credential that is usable for a login; rejects if there will be none. */
  usable(): Promise<Credential>;
  /**
   * Gets a new credential and has it applied; retries until that is done. One renewal at a time: a second call waits for
   * it. Rejects with the error that makes another request useless.
   */
  refresh(): Promise<void>;
  /** Ends the delay before the next attempt, unless it is the mint's `Retry-After`. */
  wake(): void;
  /** Why no further credential is requested; undefined as long as one may be. */
  final(): CredentialError | undefined;
  /** Ends everything that is under way. No further credential is requested. */
  close(): void;
}

/**
 * Gets the first credential, without a retry. Rejects with the error of the source, or of `readCredential`.
 * @param key  the key pair that credentials are requested for
 * @param apply  puts the connections on the new credential; if it rejects, the renewal is retried
 */
export async function startRenewal(
  source: CredentialSource | CredsResponse,
  key: UserKey,
  emit: Listener,
  apply: () => Promise<unknown>,
): Promise<Renewal> {
  let credential: Credential | undefined;
  let refreshing: Promise<void> | undefined;
  let final: CredentialError | undefined;
  let isClosed = false;
  /** Aborts the request that is under way. */
  let abort: AbortController;
  let endDelay = () => {};

  async function callSource(signal: AbortSignal): Promise<CredsResponse> {
    if (typeof source === "function") return source({ publicKey: key.publicKey, signal });
    if (credential) throw new UnauthorizedError("the credential cannot be renewed");
    return source;
  }

  /** Gets a credential. Retries only if the token has expired, since a cache of tokens gets a new one by itself. */
  async function request(): Promise<void> {
    /** Milliseconds that a source may take. */
    const SOURCE_TIMEOUT = 10_000;
    /** Milliseconds within which a cache has a new token: the one that the mint refused has expired there by then. */
    const TOKEN_PATIENCE = 10_000;

    const since = stopwatch();
    for (let attempt = 0; !isClosed; attempt++) {
      const age = stopwatch();
      const late = new CredentialError("unavailable", "no response from the mint");
      abort = new AbortController();
      try {
        credential = await readCredential(
          await withTimeout(callSource, SOURCE_TIMEOUT, late, abort),
          key,
          age,
        );
        return;
      } catch (error) {
        const isOver = since() > TOKEN_PATIENCE && !credential?.isUsable();
        if (!(error as UnauthorizedError).isTokenExpired || isOver) throw error;
        await delayNext(attempt, error as Error);
      }
    }
  }

  /**
   * Waits before the next attempt. The longest delay is a quarter of the credential's remaining lifetime; after its end, a
   * hundredth of the time since.
   */
  async function delayNext(attempt: number, error: Error): Promise<void> {
    /** Milliseconds between two attempts, at most; and at most when there is no valid credential. */
    const LONGEST_DELAY = 30_000;
    const LONGEST_DELAY_WITHOUT = 700;

    const left = credential?.timeLeft() ?? 0;
    const longest = Math.min(LONGEST_DELAY, Math.max(LONGEST_DELAY_WITHOUT, left / (left > 0 ? 4 : -100)));
    const { retryAfter = 0 } = error as Partial<CredentialError>;
    const delay = Math.max(retryAfter, backoff(attempt, longest));
    emit({ type: "delayed", error, delay });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delay);
      endDelay = () => {
        if (retryAfter && !isClosed) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function renew(): Promise<void> {
    if (!isClosed) final = undefined;
    emit({ type: "refreshing" });
    for (let attempt = 0; !isClosed; attempt++) {
      try {
        await request();
        await apply();
        if (!isClosed) return emit({ type: "refreshed", lifetime: (credential as Credential).timeLeft() });
      } catch (error) {
        if (isClosed) break;
        if (error instanceof UnauthorizedError) {
          final = error;
          emit({ type: "unauthorized", error });
          break;
        }
        await delayNext(attempt, error as Error);
      }
    }
    throw final;
  }

  function refresh(): Promise<void> {
    refreshing ??= renew().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  await request();
  return {
    credential: () => credential as Credential,
    async usable() {
      while (!credential?.isUsable()) {
        if (final) throw final;
        await refresh();
      }
      return credential;
    },
    refresh,
    wake: () => endDelay(),
    final: () => final,
    close() {
      isClosed = true;
      final = new CredentialError("closed", "closed");
      abort.abort();
      endDelay();
    },
  };
}
