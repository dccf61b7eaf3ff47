import type { Decision } from "../core/decision.ts";
import { withoutProvenSecrets } from "./redact.ts";
import { createRefusalBudget } from "./refusal-budget.ts";

/** Where lines go: a pino logger, or anything that takes an object and a sentence. */
export interface AuditLog {
  info(line: object, message: string): void;
}

export interface Audit {
  /** To be given to `createApp` as `onDecision`. */
  readonly audit: (decision: Decision) => void;
  /** Tells of what was left out so far. To be called before the log is closed. */
  close(): void;
}

/** Characters of an issuer's or a subject's name; OpenID Connect allows a subject 255. */
const MAX_NAME = 256;

/**
 * One line for each decision on a credential: who got what, or who was refused and why. Every granted credential has its
 * line. Refused requests cost an attacker nothing and would fill a disk: of many in a short time the first have lines,
 * and the rest is counted, in a line every ten seconds.
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
 * Field by field: nothing that is added to a decision one day gets into the log by itself. What is undefined is not
 * written.
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

/** Without secrets before it is cut: one that is cut in two is not recognised any more. */
const bounded = (text: string | undefined) =>
  text !== undefined && text.length > MAX_NAME ? `${withoutProvenSecrets(text).slice(0, MAX_NAME)}…` : text;
