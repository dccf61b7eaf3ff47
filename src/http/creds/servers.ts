/** The NATS servers that clients connect to, by transport. */
export interface Servers {
  /** `ws://` and `wss://` URLs. */
  readonly websocket: readonly string[];
  /** `nats://` and `tls://` URLs. */
  readonly tcp: readonly string[];
}

/**
 * The URLs that a user with these connection types can connect to. A role without a list may use either transport; TCP
 * then comes first, since such a role is usually a backend's.
 */
export function serversFor(connectionTypes: readonly string[], { websocket, tcp }: Servers): string[] {
  const isAllowed = (type: string) => connectionTypes.length === 0 || connectionTypes.includes(type);
  return [...(isAllowed("STANDARD") ? tcp : []), ...(isAllowed("WEBSOCKET") ? websocket : [])];
}
