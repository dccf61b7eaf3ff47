import { ConfigError } from "../core/errors.ts";

/** The lines of the error that reading the configuration throws; none if the environment is valid. */
export function mistakes(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}
