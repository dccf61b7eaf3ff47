import { RequestTimeoutError } from "../core/errors.ts";

/**
 * What the work gives, if it does so in time. It goes on otherwise, and what becomes of it is of no interest any more.
 * @param deadline milliseconds
 * @throws {RequestTimeoutError}
 */
export function inTime<T>(work: Promise<T>, deadline: number, message: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new RequestTimeoutError(message)), deadline);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
