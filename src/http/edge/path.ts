/**
 * A request's path as its URL has it, up to the query. Nothing is decoded: `/%6detrics` is another path than `/metrics`,
 * for this service as for a proxy that compares paths without decoding them.
 */
export function pathOf({ url }: Request): string {
  const start = url.indexOf("/", url.indexOf(":") + 3);
  const end = url.indexOf("?", start);
  return url.slice(start, end < 0 ? undefined : end);
}
