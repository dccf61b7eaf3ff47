import { isIP, isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** IP addresses, and ranges of them. */

type Address = ReturnType<typeof ipaddr.parse>;

/** All addresses that have these first bits; at least one bit, so never all of a family. */
export type AddressRange = readonly [start: Address, bits: number];

/**
 * One spelling for each address. `::ffff:192.0.2.1`, which a socket that listens on both families calls a client of
 * IPv4, is `192.0.2.1`. Undefined for what is no address.
 */
export function normalAddress(text: string): string | undefined {
  // Most are; and node is strict where the parser takes `010.0.0.1` and `1`.
  if (isIPv4(text)) return text;
  return isIPv6(text) ? ipaddr.process(withoutZone(text)).toString() : undefined;
}

/** `fe80::1%eth0`: which of this machine's networks it is on says nothing about the client. */
const withoutZone = (text: string) => text.replace(/%.*/, "");

/**
 * What one client has to itself: an address of IPv4, the /64 of one of IPv6, since a client has as many addresses as it
 * likes there.
 * @param address in its normal form; what is no address stands for itself
 */
export function network(address: string): string {
  if (!address.includes(":") || !isIPv6(address)) return address;
  return (ipaddr.parse(address) as InstanceType<typeof ipaddr.IPv6>).parts.slice(0, 4).join(":");
}

/**
 * Reads an address or a range in CIDR notation, `10.0.0.0/8`, `fd00::/8`. `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
 * Undefined for anything else, and for all addresses of IPv4 or of IPv6.
 */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [address = "", length, ...rest] = text.split("/");
  if (isIP(address) === 0 || address.includes("%") || rest.length > 0) return undefined;
  const given = ipaddr.parse(address);
  const longest = given.toByteArray().length * 8;
  if (length !== undefined && !/^[1-9]\d{0,2}$/.test(length)) return undefined;
  const bits = Number(length ?? longest);
  if (bits > longest) return undefined;
  const [start, left] =
    given instanceof ipaddr.IPv6 && given.isIPv4MappedAddress() && bits >= 96
      ? [given.toIPv4Address(), bits - 96]
      : [given, bits];
  return left > 0 ? [start, left] : undefined;
}

export const isAddressRange = (text: string): text is string => parseAddressRange(text) !== undefined;

/** @param address in its normal form */
export function inRanges(address: string, ranges: readonly AddressRange[]): boolean {
  const parsed = ipaddr.parse(address);
  return ranges.some(([start, bits]) => parsed.kind() === start.kind() && parsed.match(start, bits));
}
