import { z } from "zod";
import { quote } from "../util/quote.ts";
import { parseJson, variable } from "./values.ts";

/** Origins of pages, in the form in which browsers send them: the mint and nats-server compare them exactly. */

/** A JSON list of origins, of at least `least`. */
export const origins = (least = 0) =>
  variable(
    (text) => describeOrigins(text, least),
    z
      .string()
      .transform(parseJson)
      .pipe(z.array(z.string().refine(isOrigin)).min(least)),
  );

function describeOrigins(text: string, least: number): string {
  const form = `a JSON list of ${least > 0 ? "at least one origin" : "origins"}, ["https://app.example.com"]`;
  const list = z.array(z.string()).safeParse(parseJson(text)).data ?? [];
  const wrong = list.find((origin) => !isOrigin(origin));
  if (wrong === undefined) return form;
  const sent = browserOrigin(wrong);
  return sent !== undefined && isOrigin(sent)
    ? `${form}, as browsers send them: ${quote(sent)} instead of ${quote(wrong)}`
    : `${form}, without paths or wildcards: ${quote(wrong)} is none`;
}

/** Whether the text is scheme, host and port in normal form, and nothing else: no quotes, spaces or wildcards. */
export const isOrigin = (text: string): boolean =>
  /^https?:\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?$/.test(text) && browserOrigin(text) === text;

/** The origin that a browser sends for a page at this URL; undefined if it is the URL of no page. */
function browserOrigin(text: string): string | undefined {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

/** The origins of the pages that the mint serves with `dev`, on this port under these host names. */
export function servedOrigins(port: number, hosts: readonly string[]): string[] {
  return ["localhost", "127.0.0.1", "[::1]", ...hosts].flatMap(
    (host) => browserOrigin(`http://${host}:${port}`) ?? [],
  );
}
