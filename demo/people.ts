/** The users in the room, known by their ticks. */

/** Milliseconds without a tick after which a tab counts as closed. Browsers run a hidden page's timers once a minute. */
const TIMEOUT = 3000;
const HIDDEN_TIMEOUT = 90_000;

/** `user2` comes before `user10`. */
const order = new Intl.Collator("en", { numeric: true });

interface Tab {
  seenAt: number;
  isHidden: boolean;
}

export interface Person {
  readonly name: string;
  readonly tabs: number;
  /** All tabs of the user are hidden. */
  readonly isHidden: boolean;
}

export class People {
  readonly #tabs = new Map<string, Map<string, Tab>>();

  saw(name: string, tab: string, isHidden: boolean, now: number): void {
    const tabs = this.#tabs.get(name) ?? new Map<string, Tab>();
    tabs.set(tab, { seenAt: now, isHidden });
    this.#tabs.set(name, tabs);
  }

  left(name: string, tab: string): void {
    this.#tabs.get(name)?.delete(tab);
  }

  /** The users in the room, sorted by name. */
  present(now: number): Person[] {
    const people: Person[] = [];
    for (const [name, tabs] of this.#tabs) {
      for (const [id, { seenAt, isHidden }] of tabs) {
        if (now - seenAt > (isHidden ? HIDDEN_TIMEOUT : TIMEOUT)) tabs.delete(id);
      }
      if (tabs.size === 0) this.#tabs.delete(name);
      else people.push({ name, tabs: tabs.size, isHidden: [...tabs.values()].every((tab) => tab.isHidden) });
    }
    return people.sort((a, b) => order.compare(a.name, b.name));
  }
}
