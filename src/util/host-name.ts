/** A host name, an IPv4 address, or an IPv6 address in brackets. */
const HOST_NAME = String.raw`\[[0-9a-f:.]+\]|[a-z0-9._-]+`;
const NAME = new RegExp(`^(${HOST_NAME})$`, "i");
const HOST_HEADER = new RegExp(String.raw`^(${HOST_NAME})(:\d{1,5})?$`, "i");

/** Whether the text can be the name in a Host header. */
export const isHostName = (text: string): boolean => NAME.test(text);

/** The name in a Host header, in lower case and without its port; undefined when the header is not valid. */
export const nameOfHost = (header: string): string | undefined =>
  HOST_HEADER.exec(header)?.[1]?.toLowerCase();
