import type { LiveCredentialsEvent } from "../src/browser/index.ts";
import { announce, byId, element, setText, timeElement } from "./dom.ts";

/** The events of the live credentials, the newest first, and the state of the connection in the head of the page. */

/** The number of events that are kept on the page. */
const MAX_EVENTS = 100;

export class LogView {
  readonly #list = byId("events");
  #isFirst = true;

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

  #showState(event: LiveCredentialsEvent): void {
    const [state, text] = stateAfter(event) ?? [];
    if (!state || !text) return;
    byId("state").dataset.state = state;
    setText(byId("state-text"), text);
    // Renewals are too frequent to be read out.
    if (event.type !== "refreshed" || this.#isFirst) announce(text);
    this.#isFirst = false;
  }
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
