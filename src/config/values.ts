import { z } from "zod";

/** The forms of variables. `wanted` describes a form in error messages. */

/**
 * A variable whose text, without spaces around it, has this form.
 * @param wanted describes the form; a function receives the text
 */
export function variable<T>(wanted: string | ((text: string) => string), form: z.ZodType<T, string>) {
  const describe = (text = "") => (typeof wanted === "string" ? wanted : wanted(text));
  return z
    .string(describe())
    .trim()
    .transform((text, context) => {
      const { success, data } = form.safeParse(text);
      if (success) return data;
      context.addIssue(describe(text));
      return z.NEVER;
    });
}

/** Any text. */
export const text = variable("some text", z.string());

/** A whole number in decimal digits, from 1 to `max`. */
export const wholeNumber = (wanted: string, max: number) =>
  variable(
    wanted,
    z.string().regex(/^\d+$/).max(String(max).length).transform(Number).pipe(z.number().min(1).max(max)),
  );

/** A TCP port. */
export const port = wholeNumber("a port, 1 to 65535", 65535);

/** `true` or `false`. */
export const flag = variable(
  "true or false",
  z.enum(["true", "false"]).transform((word) => word === "true"),
);

/** A comma-separated list of at least one item. */
export const list = <T>(wanted: string, item: z.ZodType<T, string>) =>
  variable(wanted, z.string().transform(split).pipe(z.array(item).min(1)));

const split = (text: string) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A comma-separated list of URLs with one of these schemes. Clients receive them, so they contain no credentials. */
export const urls = (schemes: readonly string[]) =>
  list(
    `a comma-separated list of ${schemes.map((scheme) => `${scheme}://`).join(" or ")} URLs`,
    z.string().refine((text) => {
      const url = URL.parse(text);
      return url !== null && schemes.includes(url.protocol.slice(0, -1)) && !url.username && !url.password;
    }),
  );
