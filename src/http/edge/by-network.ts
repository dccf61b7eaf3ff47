/** Items, grouped by the network that they come from. */
export interface ByNetwork<T> {
  /** The number of all items. */
  readonly size: number;
  /** The networks that have items, each with its items, oldest first. */
  readonly networks: ReadonlyMap<Network, ReadonlySet<T>>;
  /** The items of one network. */
  itemsOf(network: Network): ReadonlySet<T> | undefined;
  add(network: Network, item: T): void;
  delete(network: Network, item: T): void;
}

/** The network of an address, as `network` in `util/address.ts` returns it; undefined for an unknown address. */
export type Network = string | undefined;

/** Makes an empty collection. */
export function byNetwork<T>(): ByNetwork<T> {
  const networks = new Map<Network, Set<T>>();
  let size = 0;
  return {
    networks,
    get size() {
      return size;
    },
    itemsOf: (network) => networks.get(network),
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
