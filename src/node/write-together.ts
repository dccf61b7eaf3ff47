import type { Socket } from "node:net";

/** Writes; what is written in one go leaves together. */
export function writeTogether(stream: Socket, data: Uint8Array): void {
  if (stream.writableCorked === 0) {
    stream.cork();
    process.nextTick(() => stream.uncork());
  }
  stream.write(data);
}
