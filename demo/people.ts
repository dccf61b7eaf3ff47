/** Who is here, by the ticks that came. */

/** Milliseconds without a tick after which a tab is gone; browsers wake a page in the background once a minute. */
const PATIENCE = 3000;
const PATIENCE_IN_BACKGROUND = 90_000;

interface Tab {
  seenAt: number;
  isHidden: boolean;
}

export interface Person {
  readonly name: string;
  readonly tabs: number;
  /** None of the person's tabs is in view. */
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

  /** Those who are here, by name. */
  present(now: number): Person[] {
    const people: Person[] = [];
    for (const [name, tabs] of this.#tabs) {
      for (const [id, { seenAt, isHidden }] of tabs) {
        if (now - seenAt > (isHidden ? PATIENCE_IN_BACKGROUND : PATIENCE)) tabs.delete(id);
      }
      if (tabs.size === 0) this.#tabs.delete(name);
      else people.push({ name, tabs: tabs.size, isHidden: [...tabs.values()].every((tab) => tab.isHidden) });
    }
    return people.sort((a, b) => a.name.localeCompare(b.name));
  }
}
