/**
 * A request's path as in its URL, up to the query. Nothing is decoded: `/%6detrics` is another path than `/metrics`, as
 * it is for a proxy that compares paths without decoding them.
 */
export function pathOf({ url }: Request): string {
  const start = url.indexOf("/", url.indexOf(":") + 3);
  const end = url.indexOf("?", start);
  return url.slice(start, end < 0 ? undefined : end);
}
