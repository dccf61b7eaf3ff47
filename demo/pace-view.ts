import { byId } from "./dom.ts";

/** A bar chart of the messages received in each of the last sixty seconds; seconds with a renewal are marked. */

const SECONDS = 60;
/** The size of the chart, in units of its viewBox. */
const STEP = 10;
const BAR = 6;
const HEIGHT = 60;

const SVG = "http://www.w3.org/2000/svg";

export class PaceView {
  readonly #startedAt = performance.now();
  readonly #received = new Map<number, number>();
  readonly #renewed = new Set<number>();
  readonly #bars: SVGElement[] = [];

  constructor() {
    const picture = byId<SVGElement>("pace");
    picture.setAttribute("viewBox", `0 0 ${SECONDS * STEP - (STEP - BAR)} ${HEIGHT}`);
    picture.setAttribute("preserveAspectRatio", "none");
    for (let place = 0; place < SECONDS; place++) {
      const bar = document.createElementNS(SVG, "rect");
      for (const [name, value] of Object.entries({ x: place * STEP, width: BAR, rx: 1.5 })) {
        bar.setAttribute(name, String(value));
      }
      this.#bars.push(bar);
    }
    picture.replaceChildren(...this.#bars);
  }

  received(): void {
    this.#received.set(this.#second, (this.#received.get(this.#second) ?? 0) + 1);
  }

  renewed(): void {
    this.#renewed.add(this.#second);
  }

  draw(): void {
    // The present second is not complete.
    const latest = this.#second - 1;
    const first = latest - SECONDS + 1;
    for (const kept of [this.#received, this.#renewed]) {
      for (const second of kept.keys()) if (second < first) kept.delete(second);
    }
    const most = Math.max(1, ...this.#received.values());
    this.#bars.forEach((bar, place) => {
      const second = first + place;
      const height = Math.max(1, ((this.#received.get(second) ?? 0) / most) * HEIGHT);
      bar.setAttribute("y", (HEIGHT - height).toFixed(1));
      bar.setAttribute("height", height.toFixed(1));
      bar.classList.toggle("renewed", this.#renewed.has(second));
    });
  }

  get #second(): number {
    return Math.floor((performance.now() - this.#startedAt) / 1000);
  }
}
