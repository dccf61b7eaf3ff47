import { byId, element, timeElement } from "./dom.ts";
import type { ChatMessage } from "./room.ts";

/** The messages of the room. */

/** The number of messages that are kept on the page. */
const MAX_MESSAGES = 300;
/** The number of characters of a message that are shown. */
const MAX_LENGTH = 2000;

export class ChatView {
  readonly #own: string;
  readonly #list = byId("messages");
  /** The note that is shown until there is a message. */
  #placeholder: HTMLElement | undefined;
  #latest: { name: string; group: HTMLElement } | undefined;

  constructor(own: string) {
    this.#own = own;
    this.#list.replaceChildren();
    this.#list.setAttribute("aria-live", "off");
    this.#placeholder = this.#showNote("Loading earlier messages …");
  }

  message({ name, text, at }: ChatMessage): void {
    const isAtEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    this.#placeholder?.remove();
    if (this.#latest?.name !== name) {
      const head = element("p", "message-head", element("span", "message-name", name), " ", timeElement(at));
      const group = element("div", name === this.#own ? "chat-message own" : "chat-message", head);
      this.#list.append(group);
      this.#latest = { name, group };
    }
    this.#latest.group.append(element("p", "message-text", element("bdi", "", text.slice(0, MAX_LENGTH))));
    while (this.#list.childElementCount > MAX_MESSAGES) this.#list.firstElementChild?.remove();
    if (isAtEnd || name === this.#own) this.#scroll();
  }

  history(outcome: number | Error): void {
    this.#placeholder?.remove();
    this.#list.setAttribute("aria-live", "polite");
    if (outcome instanceof Error) {
      this.#showNote(`Earlier messages cannot be loaded, and new ones are not stored: ${reason(outcome)}`);
    } else if (outcome === 0) {
      this.#placeholder = this.#showNote("There are no messages yet.");
    } else {
      const messages = outcome === 1 ? "1 message" : `${outcome} messages`;
      this.#showNote(`${messages} from the stream; new ones are below`);
    }
    this.#scroll();
  }

  #showNote(text: string): HTMLElement {
    const note = element("p", "divider", element("span", "", text));
    this.#latest = undefined;
    this.#list.append(note);
    return note;
  }

  #scroll(): void {
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function reason({ message }: Error): string {
  if (message === "503" || message === "TIMEOUT") return "JetStream does not respond.";
  return `${message}.`;
}
