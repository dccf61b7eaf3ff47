import { announce, byId, element, format, setText } from "./dom.ts";
import { PaceView } from "./pace-view.ts";
import { People, type Person } from "./people.ts";
import type { Tick } from "./room.ts";
import { type Count, Tally } from "./tally.ts";

/** The users in the room, and the messages that were received from each and from all. */

interface Row {
  readonly element: HTMLElement;
  readonly note: HTMLElement;
  readonly cells: Record<keyof Count, HTMLElement>;
}

const COUNTS = ["received", "missed", "repeated"] as const;

export class DeliveryView {
  readonly #tally = new Tally();
  readonly #people = new People();
  readonly #pace = new PaceView();
  readonly #rows = new Map<string, Row>();
  readonly #own: string;

  constructor(own: string) {
    this.#own = own;
    byId("people").replaceChildren();
  }

  ticked({ name, tab, number, isHidden }: Tick): void {
    this.#pace.received();
    this.#tally.take(name, tab, number);
    this.#people.saw(name, tab, isHidden, performance.now());
  }

  renewed(): void {
    this.#pace.renewed();
  }

  left(name: string, tab: string): void {
    this.#people.left(name, tab);
  }

  /** The name of another user in the room, if there is one: the first. */
  get otherUser(): string | undefined {
    return this.#people.present(performance.now()).find(({ name }) => name !== this.#own)?.name;
  }

  draw(renewals: number): void {
    const total = this.#tally.total;
    for (const count of COUNTS) drawCount(byId(count), count, total[count]);
    const times = renewals === 1 ? "1 renewal" : `${format(renewals)} renewals`;
    setText(byId("across"), renewals > 0 ? `across ${times}` : "before the first renewal");

    this.#pace.draw();

    const present = this.#people.present(performance.now());
    const names = new Set(present.map(({ name }) => name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
      announce(`${name} has left`);
    }
    let next = byId("people").firstElementChild;
    for (const person of present) {
      const { element } = this.#drawPerson(person);
      if (element === next) next = element.nextElementSibling;
      else byId("people").insertBefore(element, next);
    }
  }

  #drawPerson({ name, tabs, isHidden }: Person): Row {
    const row = this.#rows.get(name) ?? this.#makeRow(name);
    const notes = [
      name === this.#own && "you",
      tabs > 1 && `${tabs} tabs`,
      isHidden && "in the background",
    ].filter(Boolean);
    setText(row.note, notes.join(", "));
    const counts = this.#tally.of(name);
    for (const count of COUNTS) drawCount(row.cells[count], count, counts[count]);
    return row;
  }

  #makeRow(name: string): Row {
    const note = element("span", "note");
    const head = element("th", "", element("span", "person", name), " ", note);
    head.setAttribute("scope", "row");
    const cells = { received: element("td", ""), missed: element("td", ""), repeated: element("td", "") };
    const row = { element: element("tr", "", head, ...Object.values(cells)), note, cells };
    this.#rows.set(name, row);
    if (name !== this.#own) announce(`${name} is here`);
    return row;
  }
}

function drawCount(target: HTMLElement, count: keyof Count, value: number): void {
  setText(target, format(value));
  target.classList.toggle("bad", count !== "received" && value > 0);
}
