/**
 * A reason why an issuer's keys can't be used that stays until an operator changes something: the settings, the
 * issuer's, or the network between them.
 */
export class IssuerFaultError extends Error {
  override name = "IssuerFaultError";
  /** The kind of fault, for the response to any client: no URL and no name. */
  readonly summary: string;

  /**
   * @param cause for the log; nothing of a response but names
   * @param advice what to do
   */
  constructor(cause: string, { summary, advice }: { readonly summary: string; readonly advice: string }) {
    super(`${cause}. ${advice}`);
    this.summary = summary;
  }
}
