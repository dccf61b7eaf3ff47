import { byId, element, setText, timeElement } from "./dom.ts";
import type { Said } from "./room.ts";

/** What is said in the room. */

/** Messages that are kept in view. */
const MOST = 300;
/** Characters of one message that are shown. */
const LONGEST = 2000;

export class ChatView {
  readonly #own: string;
  readonly #list = byId("messages");
  /** What stands there until there is something to show. */
  #placeholder: HTMLElement | undefined;
  #latest: { name: string; group: HTMLElement } | undefined;

  constructor(own: string) {
    this.#own = own;
    this.#list.replaceChildren();
    this.#list.setAttribute("aria-live", "off");
    this.#placeholder = this.#showNote("Reading what was said before …");
    setText(byId("chat-error"), "");
  }

  said({ name, text, at }: Said): void {
    const isAtEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    this.#placeholder?.remove();
    if (this.#latest?.name !== name) {
      const head = element("p", "said-head", element("span", "said-name", name), " ", timeElement(at));
      const group = element("div", name === this.#own ? "said own" : "said", head);
      this.#list.append(group);
      this.#latest = { name, group };
    }
    this.#latest.group.append(element("p", "said-text", element("bdi", "", text.slice(0, LONGEST))));
    while (this.#list.childElementCount > MOST) this.#list.firstElementChild?.remove();
    if (isAtEnd || name === this.#own) this.#scroll();
  }

  history(outcome: number | Error): void {
    this.#placeholder?.remove();
    this.#list.setAttribute("aria-live", "polite");
    if (outcome instanceof Error) {
      this.#showNote(`What was said before can’t be read, and nothing is kept: ${reason(outcome)}`);
    } else if (outcome === 0) {
      this.#placeholder = this.#showNote("Nobody has said anything yet.");
    } else {
      const messages = outcome === 1 ? "1 message" : `${outcome} messages`;
      this.#showNote(`${messages} from the stream, new ones below`);
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
  if (message === "503" || message === "TIMEOUT") return "JetStream does not answer.";
  return `${message}.`;
}
