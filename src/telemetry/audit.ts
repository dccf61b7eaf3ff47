import type { Decision } from "../core/decision.ts";
import { withoutProvenSecrets } from "./redact.ts";
import { createRefusalBudget } from "./refusal-budget.ts";

/** The destination of audit lines: a pino logger, or anything that takes an object and a message. */
export interface AuditLog {
  info(line: object, message: string): void;
}

export interface Audit {
  /** Writes a decision's line. To be given to `createApp` as `onDecision`. */
  readonly audit: (decision: Decision) => void;
  /** Writes the count of the refusals that have no line yet. To be called before the log is closed. */
  close(): void;
}

/** Characters of each text from outside. A subject has up to 255 in OpenID Connect. */
const MAX_TEXT = 256;

/**
 * One line for each decision about a credential: the caller, and what was granted or why it was refused. Every granted
 * credential has a line. Refused requests cost an attacker nothing and would fill a disk: of many in a short time only the
 * first have lines, and the others are counted in one line every ten seconds.
 * @param now milliseconds of a clock that never goes back
 */
export function createAudit(log: AuditLog, now: () => number = performance.now.bind(performance)): Audit {
  const budget = createRefusalBudget({
    now,
    onOmitted: (codes, seconds) =>
      log.info({ audit: "omitted", codes, seconds }, "refusals without a line of their own"),
  });
  return {
    audit(decision) {
      if (decision.outcome === "granted") log.info(lineOf(decision), "credential granted");
      else if (budget.take(decision.address, decision.code)) log.info(lineOf(decision), "credential refused");
    },
    close: budget.close,
  };
}

/**
 * Made field by field, so that a field that is added to `Decision` later does not get into the log by itself. A field that
 * is undefined is not written.
 */
function lineOf(decision: Decision): object {
  const { outcome, code, reason, status, requestId, address, method, issuer, subject, credential, duration } =
    decision;
  return {
    audit: outcome,
    code: outcome === "refused" ? code : undefined,
    reason,
    status: outcome === "refused" ? status : undefined,
    request_id: bounded(requestId),
    address: bounded(address),
    method: bounded(method),
    issuer: bounded(issuer),
    subject: bounded(subject),
    account: credential?.account,
    role: credential?.role,
    user: credential?.user,
    tags: credential && Object.keys(credential.tags).length > 0 ? { ...credential.tags } : undefined,
    public_key: credential?.publicKey,
    jti: credential?.jti,
    expires_at: credential?.expiresAt,
    milliseconds: Math.round(duration * 1000) / 1000,
  };
}

/** Secrets are removed before the text is cut, since half of a secret is not recognised. */
const bounded = (text: string | undefined) =>
  text !== undefined && text.length > MAX_TEXT ? `${withoutProvenSecrets(text).slice(0, MAX_TEXT)}…` : text;
