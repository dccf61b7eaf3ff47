import type { LiveCredentialsEvent } from "../src/browser/index.ts";
import { byId, format, setText } from "./dom.ts";
import type { Room } from "./room.ts";

/** The credential's life: how much is left of it, where it is renewed, and how often it was. */

/** Between which parts of its life gone a credential is renewed, and where at the latest one looks for it. */
const WINDOW = [0.75, 0.85] as const;
const MARK = 0.8;
const RADIUS = 52;
const CENTRE = 60;

export class CredentialView {
  /** Milliseconds that the present credential had when it came. */
  #lifetime = 0;
  #renewals = 0;
  #disconnects = 0;
  #startedAt = 0;
  #state = "Renewed when about 80 % of its life is over.";

  constructor() {
    drawWindow();
  }

  /** The first credential is there. */
  entered(room: Room): void {
    this.#renewals = 0;
    this.#lifetime = room.left;
  }

  get renewals(): number {
    return this.#renewals;
  }

  session(event: LiveCredentialsEvent): void {
    if (event.type === "refreshing") {
      this.#startedAt = performance.now();
      this.#state = "Being renewed …";
    } else if (event.type === "refreshed") {
      this.#renewals++;
      this.#lifetime = event.lifetime;
      const took = Math.round(performance.now() - this.#startedAt);
      this.#state = `The last renewal took ${format(took)} ms.`;
      pulse();
    } else if (event.type === "delayed") {
      this.#state = "The next one is not to be had yet; trying again.";
    } else if (event.type === "disconnected") {
      this.#disconnects++;
    } else if (event.type === "unauthorized") {
      this.#state = "There will be no other one.";
    }
  }

  draw(room: Room): void {
    const left = Math.max(0, room.left);
    const part = this.#lifetime > 0 ? Math.min(1, left / this.#lifetime) : 0;
    byId("dial-arc").setAttribute("stroke-dasharray", `${Math.round(part * 1000)} 1000`);
    const [number, unit] = left >= 100_000 ? [left / 60_000, "min left"] : [left / 1000, "s left"];
    setText(byId("dial-number"), left >= 100_000 ? number.toFixed(1) : String(Math.ceil(number)));
    setText(byId("dial-unit"), unit);
    setText(byId("renewals"), format(this.renewals));
    setText(byId("renewals-unit"), this.renewals === 1 ? "renewal" : "renewals");
    const disconnects = `${format(this.#disconnects)} ${this.#disconnects === 1 ? "disconnect" : "disconnects"}`;
    setText(byId("disconnects"), disconnects);
    setText(byId("credential-state"), this.#state);
  }
}

/** A mark at 80 %, and the arc around it in which the renewal falls. What is left of life goes clockwise from the top. */
function drawWindow(): void {
  const at = (gone: number, radius: number) => {
    const angle = (1 - gone) * 2 * Math.PI - Math.PI / 2;
    return [CENTRE + radius * Math.cos(angle), CENTRE + radius * Math.sin(angle)].map((x) => x.toFixed(2));
  };
  const [from, to] = WINDOW;
  byId("dial-window").setAttribute(
    "d",
    `M ${at(to, RADIUS)} A ${RADIUS} ${RADIUS} 0 0 1 ${at(from, RADIUS)}`,
  );
  const mark = byId("dial-mark");
  const [x1 = "", y1 = ""] = at(MARK, RADIUS - 7);
  const [x2 = "", y2 = ""] = at(MARK, RADIUS + 7);
  for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) mark.setAttribute(name, value);
}

/** A short glow; style.css leaves it out for those who want no motion. */
function pulse(): void {
  const dial = byId("dial-arc");
  dial.classList.remove("fresh");
  requestAnimationFrame(() => dial.classList.add("fresh"));
}
