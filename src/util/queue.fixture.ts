/** Events in the order in which they came; `next` waits for one. */
export function queue<T>() {
  const items: T[] = [];
  let wake = () => {};
  return {
    push: (item: T) => {
      items.push(item);
      wake();
    },
    next: async (): Promise<T> => {
      while (items.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return items.shift() as T;
    },
    pending: () => items.length,
  };
}
