import type { LiveCredentialsEvent } from "../src/browser/index.ts";
import { announce, byId, element, setText, timeElement } from "./dom.ts";
import type { Room } from "./room.ts";

/** The events of the live credentials, the newest first, and the state of the connection in the head of the page. */

/** The number of events that are kept on the page. */
const MAX_EVENTS = 100;

export class LogView {
  readonly #list = byId("events");
  #isSilent = false;

  constructor() {
    this.#list.replaceChildren();
  }

  credentialsEvent(event: LiveCredentialsEvent): void {
    const entry = element(
      "li",
      "",
      timeElement(new Date(), true),
      element("p", "", element("code", "event-type", event.type), " ", describe(event)),
    );
    entry.dataset.type = event.type;
    this.#list.prepend(entry);
    while (this.#list.childElementCount > MAX_EVENTS) this.#list.lastElementChild?.remove();
    this.#showState(event);
  }

  /** Shows whether the server responds, which no event reports. */
  draw({ isConnected, responds }: Room): void {
    const isSilent = isConnected && !responds;
    if (isSilent === this.#isSilent) return;
    this.#isSilent = isSilent;
    if (isSilent) setState("waiting", "Not responding");
    else if (isConnected) setState("on", "Connected");
  }

  #showState(event: LiveCredentialsEvent): void {
    const [state, text] = stateAfter(event) ?? [];
    if (state && text) setState(state, text);
  }
}

function setState(state: string, text: string): void {
  byId("state").dataset.state = state;
  setText(byId("state-text"), text);
  announce(text);
}

function describe(event: LiveCredentialsEvent): string {
  switch (event.type) {
    case "connected":
      return event.server;
    case "refreshed":
      return `valid for ${Math.round(event.lifetime / 1000)} s`;
    case "delayed":
      return `${event.error.message}; next attempt in ${(event.delay / 1000).toFixed(1)} s`;
    case "disconnected":
      return event.reason;
    case "denied":
      return `${event.operation} ${event.subject}`;
    case "unauthorized":
      return event.error.message;
    default:
      return "";
  }
}

function stateAfter({ type }: LiveCredentialsEvent): [state: string, text: string] | undefined {
  switch (type) {
    case "connected":
      return ["on", "Connected"];
    case "disconnected":
      return ["waiting", "Reconnecting"];
    case "unauthorized":
      return ["off", "No more credentials"];
    case "closed":
      return ["off", "Not connected"];
    default:
      return undefined;
  }
}
