import { isIP, isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** IP addresses and ranges of them. */

type Address = ReturnType<typeof ipaddr.parse>;

/** All addresses with the same first bits as `start`. At least one bit, so a range never has all addresses of a family. */
export type AddressRange = readonly [start: Address, bits: number];

/**
 * The normal form of an address: one spelling for each. `::ffff:192.0.2.1`, the address of an IPv4 client on a socket
 * that listens on both families, becomes `192.0.2.1`. Undefined for a text that is not an address.
 */
export function normalAddress(text: string): string | undefined {
  // Node is strict here; ipaddr.js would also accept `010.0.0.1` and `1`.
  if (isIPv4(text)) return text;
  return isIPv6(text) ? ipaddr.process(withoutZone(text)).toString() : undefined;
}

/** Without the zone of `fe80::1%eth0`, which names a network interface of this machine. */
const withoutZone = (text: string) => text.replace(/%.*/, "");

/**
 * The part of an address that identifies one client: all of an IPv4 address, the /64 of an IPv6 address, within which a
 * client can choose its addresses.
 * @param address in its normal form; a text that is not an address is returned as it is
 */
export function network(address: string): string {
  if (!address.includes(":") || !isIPv6(address)) return address;
  return (ipaddr.parse(address) as InstanceType<typeof ipaddr.IPv6>).parts.slice(0, 4).join(":");
}

/**
 * Parses an address or a range in CIDR notation, `10.0.0.0/8`, `fd00::/8`. `::ffff:10.0.0.0/104` becomes `10.0.0.0/8`.
 * Undefined for any other text, and for `/0`.
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

/**
 * Whether only programs on this machine reach a port on this address.
 * @param address in its normal form
 */
export const isLoopback = (address: string): boolean =>
  address === "::1" || (isIPv4(address) && address.startsWith("127."));

export const isAddressRange = (text: string): text is string => parseAddressRange(text) !== undefined;

/** @param address in its normal form */
export function inRanges(address: string, ranges: readonly AddressRange[]): boolean {
  const parsed = ipaddr.parse(address);
  return ranges.some(([start, bits]) => parsed.kind() === start.kind() && parsed.match(start, bits));
}
