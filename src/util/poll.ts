/**
 * Does something again and again, never twice at the same time. Keeps no process alive.
 * @param interval milliseconds between two beginnings; one that comes too early is left out
 * @returns stops it; what is being done is finished
 */
export function poll(work: () => Promise<void>, interval: number): () => void {
  let working = false;
  const timer = setInterval(async () => {
    if (working) return;
    working = true;
    try {
      await work();
    } finally {
      working = false;
    }
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
