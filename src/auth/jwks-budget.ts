/** A token bucket: so many at once, and then one more after each interval. */
export interface Budget {
  /** Takes one, if there is one to take. */
  take(): boolean;
}

/** @param interval milliseconds after which one comes back */
export function budget(size: number, interval: number, now: () => number): Budget {
  let left = size;
  let filledAt = now();
  return {
    take() {
      const time = now();
      // A clock that was set back must neither stop the filling nor fill at once.
      if (time < filledAt) filledAt = time;
      const back = Math.floor((time - filledAt) / interval);
      left = Math.min(size, left + back);
      filledAt = left === size ? time : filledAt + back * interval;
      if (left === 0) return false;
      left--;
      return true;
    },
  };
}
