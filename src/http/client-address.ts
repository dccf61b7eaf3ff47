import { isIP, isIPv4 } from "node:net";
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import ipaddr from "ipaddr.js";
import { ConfigError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";

/** Where a request comes from. */
export interface ClientVariables {
  /** The client's address in its usual form, IPv4 or IPv6; undefined when the runtime doesn't tell. */
  address: string | undefined;
  /** Whether a trusted proxy handed the request on, so that what it says about the client counts. */
  viaTrustedProxy: boolean;
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
export function clientAddress({ peerAddress, trustedProxies }: ClientAddressOptions) {
  const ranges = trustedProxies.map(parseRange);
  const isTrusted = (address: string) => ranges.length > 0 && inRanges(address, ranges);

  return createMiddleware<{ Variables: ClientVariables }>(async (c, next) => {
    const peer = normalAddress(peerAddress(c) ?? "");
    const viaTrustedProxy = peer !== undefined && isTrusted(peer);
    c.set("viaTrustedProxy", viaTrustedProxy);
    c.set("address", viaTrustedProxy ? forwarded(peer, c.req.header("X-Forwarded-For"), isTrusted) : peer);
    await next();
  });
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

/**
 * One spelling for each address. `::ffff:192.0.2.1`, which a socket that listens on both families calls a client of
 * IPv4, is `192.0.2.1`. Undefined for what is no address.
 */
function normalAddress(text: string): string | undefined {
  // Most are; and node is strict where the parser takes `010.0.0.1` and `1`.
  if (isIPv4(text)) return text;
  return isIP(text) === 0 ? undefined : ipaddr.process(withoutZone(text)).toString();
}

/** `fe80::1%eth0`: which of this machine's networks it is on says nothing about the client. */
const withoutZone = (text: string) => text.replace(/%.*/, "");

type Address = ReturnType<typeof ipaddr.parse>;
type Range = readonly [address: Address, bits: number];

/** Whether this is an IP address, or a range of them in CIDR notation, that can be trusted: not all of them. */
export function isAddressRange(text: string): text is string {
  const [address = "", bits, ...rest] = text.split("/");
  if (isIP(address) === 0 || address.includes("%") || rest.length > 0) return false;
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (isIPv4(address) ? 32 : 128));
}

function parseRange(text: string): Range {
  if (!isAddressRange(text)) {
    throw new ConfigError(
      `a trusted proxy is an address or a range like 10.0.0.0/8, from /1 on; got ${quote(text)}`,
    );
  }
  const [address = "", bits] = text.split("/");
  const parsed = ipaddr.parse(address);
  const length = bits === undefined ? parsed.toByteArray().length * 8 : Number(bits);
  // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
  return parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && length >= 96
    ? [parsed.toIPv4Address(), length - 96]
    : [parsed, length];
}

function inRanges(address: string, ranges: readonly Range[]): boolean {
  const parsed = ipaddr.parse(address);
  return ranges.some(([start, bits]) => parsed.kind() === start.kind() && parsed.match(start, bits));
}
