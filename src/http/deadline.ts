import { RequestTimeoutError } from "../core/errors.ts";

/**
 * What the work gives, if it does so in time. It goes on otherwise, and what becomes of it is of no interest any more.
 * @param deadline milliseconds
 * @throws {RequestTimeoutError}
 */
export async function inTime<T>(work: Promise<T>, deadline: number, message: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RequestTimeoutError(message)), deadline);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
