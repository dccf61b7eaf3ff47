import type { LiveCredentialsEvent } from "../src/browser/index.ts";
import { byId, format, setText } from "./dom.ts";
import type { Room } from "./room.ts";

/** The credential's remaining lifetime, when it is renewed, and how often it was. */

/** The part of its lifetime after which a credential is renewed: a value of this range, and 80 % on average. */
const WINDOW = [0.75, 0.85] as const;
const MARK = 0.8;
const RADIUS = 52;
const CENTRE = 60;

export class CredentialView {
  /** The lifetime of the present credential when it was received, in milliseconds. */
  #lifetime = 0;
  #renewals = 0;
  #disconnects = 0;
  #startedAt = 0;
  #state = "Renewed when about 80 % of its lifetime is over.";

  constructor() {
    drawWindow();
  }

  /** The room was joined, with the first credential. */
  entered(room: Room): void {
    this.#renewals = 0;
    this.#lifetime = room.timeLeft;
  }

  get renewals(): number {
    return this.#renewals;
  }

  credentialsEvent(event: LiveCredentialsEvent): void {
    if (event.type === "refreshing") {
      this.#startedAt = performance.now();
      this.#state = "Renewing …";
    } else if (event.type === "refreshed") {
      this.#renewals++;
      this.#lifetime = event.lifetime;
      const took = Math.round(performance.now() - this.#startedAt);
      this.#state = `The last renewal took ${format(took)} ms.`;
      pulse();
    } else if (event.type === "delayed") {
      this.#state = "The renewal has failed; retrying.";
    } else if (event.type === "disconnected") {
      this.#disconnects++;
    } else if (event.type === "unauthorized") {
      this.#state = "It will not be renewed: the mint refuses.";
    }
  }

  draw(room: Room): void {
    const left = Math.max(0, room.timeLeft);
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

/** Draws a mark at 80 % and the arc of the times of renewal. The remaining lifetime goes clockwise from the top. */
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

/** A short glow. The style sheets leave it out if the user prefers reduced motion. */
function pulse(): void {
  const dial = byId("dial-arc");
  dial.classList.remove("fresh");
  requestAnimationFrame(() => dial.classList.add("fresh"));
}
