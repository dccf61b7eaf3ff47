/**
 * The hand-written alternative to lru-cache: two maps that are filled in turn. When the newer one holds half of the keys,
 * the older one is dropped as a whole. It is measured here and not used in the service.
 */
export class TwoMaps<Value> {
  #recent = new Map<string, Value>();
  #older = new Map<string, Value>();
  readonly #max: number;

  /** @param max the maximum number of stored keys */
  constructor({ max }: { readonly max: number }) {
    this.#max = max;
  }

  get(key: string): Value | undefined {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (this.#recent.size >= this.#max / 2) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, value);
  }
}
