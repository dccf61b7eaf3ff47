/** Decodes the frames that a client sent over a WebSocket, to a text with one character for each byte: RFC 6455, section 5.2. */
export function unmask(bytes: Buffer): string {
  const parts: string[] = [];
  let at = bytes.indexOf("\r\n\r\n") + 4;
  if (at < 4) return "";
  while (at + 2 <= bytes.length) {
    let length = (bytes[at + 1] as number) & 0x7f;
    let start = at + 2;
    if (length === 126) {
      if (start + 2 > bytes.length) break;
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      if (start + 8 > bytes.length) break;
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    const end = start + 4 + length;
    if (end > bytes.length) break;
    const mask = bytes.subarray(start, start + 4);
    const payload = Buffer.from(bytes.subarray(start + 4, end));
    for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] as number) ^ (mask[i & 3] as number);
    parts.push(payload.toString("latin1"));
    at = end;
  }
  return parts.join("");
}
