/** Items, counted by the network that they come from. */
export interface ByNetwork<T> {
  /** All items. */
  readonly size: number;
  /** All networks that have items, each with its items, oldest first. */
  readonly networks: ReadonlyMap<Network, ReadonlySet<T>>;
  /** The items of one network. */
  of(network: Network): ReadonlySet<T> | undefined;
  add(network: Network, item: T): void;
  delete(network: Network, item: T): void;
}

/** What `network` in `util/address.ts` makes of an address; undefined where the address isn't known. */
export type Network = string | undefined;

export function byNetwork<T>(): ByNetwork<T> {
  const networks = new Map<Network, Set<T>>();
  let size = 0;
  return {
    networks,
    get size() {
      return size;
    },
    of: (network) => networks.get(network),
    add(network, item) {
      const items = networks.get(network);
      if (items) items.add(item);
      else networks.set(network, new Set([item]));
      size++;
    },
    delete(network, item) {
      const items = networks.get(network);
      if (!items?.delete(item)) return;
      if (items.size === 0) networks.delete(network);
      size--;
    },
  };
}
