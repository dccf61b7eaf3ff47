import type { Context } from "hono";
import { ConfigError } from "../../core/errors.ts";
import { type AddressRange, inRanges, normalAddress, parseAddressRange } from "../../util/address.ts";
import { quote } from "../../util/quote.ts";

/** Where a request comes from. */
export interface Client {
  /** The client's address in its usual form, IPv4 or IPv6; undefined when the runtime doesn't tell. */
  readonly address: string | undefined;
  /** Whether a trusted proxy handed the request on, so that what it says about the client counts. */
  readonly viaTrustedProxy: boolean;
}

export interface ClientAddressOptions {
  /** The address at the other end of the connection, as the runtime knows it. */
  readonly peerAddress: (c: Context) => string | undefined;
  /** Addresses and CIDR ranges (`10.0.0.0/8`, `fd00::/8`) of the proxies that are believed. */
  readonly trustedProxies: readonly string[];
}

/**
 * Finds out who is asking. `X-Forwarded-For` is written by whoever likes to, so it is read from its end, and only as far
 * as trusted proxies wrote it: the first address that isn't a trusted proxy's is the client's. What is no address ends
 * the walk at the last that was one. `Forwarded` (RFC 7239) is not read: few proxies write it, and those that don't
 * pass on what a client wrote.
 * @throws {ConfigError} for a trusted proxy that is neither an address nor a range
 */
export function clientAddress({ peerAddress, trustedProxies }: ClientAddressOptions): (c: Context) => Client {
  const ranges = trustedProxies.map(parseRange);
  const isTrusted = (address: string) => ranges.length > 0 && inRanges(address, ranges);

  return (c) => {
    const peer = normalAddress(peerAddress(c) ?? "");
    if (peer === undefined || !isTrusted(peer)) return { address: peer, viaTrustedProxy: false };
    return { address: forwarded(peer, c.req.header("X-Forwarded-For"), isTrusted), viaTrustedProxy: true };
  };
}

/** Several header lines have become one by now, in their order, as RFC 9110, section 5.3 has it. */
function forwarded(
  peer: string,
  header: string | undefined,
  isTrusted: (address: string) => boolean,
): string {
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
      `a trusted proxy is an address or a range like 10.0.0.0/8, from /1 on; got ${quote(text)}`,
    );
  }
  return range;
}
