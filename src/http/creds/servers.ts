/** Where clients connect to, by the way they connect. */
export interface Servers {
  /** `ws://` and `wss://` URLs. */
  readonly websocket: readonly string[];
  /** `nats://` and `tls://` URLs. */
  readonly tcp: readonly string[];
}

/**
 * The URLs that a user of these connection types can use. A role that lists none may connect either way; TCP then comes
 * first, since such a role is a backend's.
 */
export function serversFor(connectionTypes: readonly string[], { websocket, tcp }: Servers): string[] {
  const may = (type: string) => connectionTypes.length === 0 || connectionTypes.includes(type);
  return [...(may("STANDARD") ? tcp : []), ...(may("WEBSOCKET") ? websocket : [])];
}
