import { ConfigError } from "../../core/errors.ts";
import { type AddressRange, inRanges, normalAddress, parseAddressRange } from "../../util/address.ts";
import { quote } from "../../util/quote.ts";

/** The client that a request comes from. */
export interface Client {
  /** The client's address in its usual form, IPv4 or IPv6; undefined when the runtime doesn't know it. */
  readonly address: string | undefined;
  /** Whether the request came through a trusted proxy, so that the proxy's headers are used. */
  readonly viaTrustedProxy: boolean;
}

/**
 * Makes a function that determines a request's client. Any client can send `X-Forwarded-For`, so it is read from its
 * end, and only as far as trusted proxies wrote it: the first address that isn't a trusted proxy's is the client's. An
 * entry that is not an address ends the search, and the address after it counts. `Forwarded` (RFC 7239) is not read:
 * few proxies write it, and the others pass on what a client sent. The peer is the address at the other end of the
 * connection, as the runtime knows it.
 * @param trustedProxies addresses and CIDR ranges (`10.0.0.0/8`, `fd00::/8`)
 * @throws {ConfigError} for a trusted proxy that is neither an address nor a range
 */
export function clientAddress(
  trustedProxies: readonly string[],
): (request: Request, peer: string | undefined) => Client {
  const ranges = trustedProxies.map(parseRange);
  const isTrusted = (address: string) => ranges.length > 0 && inRanges(address, ranges);

  return ({ headers }, peerAddress) => {
    const peer = normalAddress(peerAddress ?? "");
    if (peer === undefined || !isTrusted(peer)) return { address: peer, viaTrustedProxy: false };
    return { address: forwarded(peer, headers.get("X-Forwarded-For"), isTrusted), viaTrustedProxy: true };
  };
}

/** @param header several header lines are joined in their order (RFC 9110, section 5.3) */
function forwarded(peer: string, header: string | null, isTrusted: (address: string) => boolean): string {
  let client = peer;
  for (const entry of header?.split(",").reverse() ?? []) {
    const address = normalAddress(withoutPort(entry.trim()));
    if (address === undefined) break;
    client = address;
    if (!isTrusted(client)) break;
  }
  return client;
}

/** Some proxies write `192.0.2.1:4711`, `[2001:db8::1]` and `[2001:db8::1]:4711`. */
function withoutPort(text: string): string {
  const [, v6, v4] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(text) ?? [];
  return v6 ?? v4 ?? text;
}

function parseRange(text: string): AddressRange {
  const range = parseAddressRange(text);
  if (!range) {
    throw new ConfigError(
      `trusted proxy ${quote(text)}: wanted an address or a range such as 10.0.0.0/8, of at least /1`,
    );
  }
  return range;
}
