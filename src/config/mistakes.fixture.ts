import { ConfigError } from "../core/errors.ts";

/** The mistakes that a reader reports, one per line; none if it accepts the environment. */
export function mistakes(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}
