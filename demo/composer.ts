import { byId, setText } from "./dom.ts";
import type { Room } from "./room.ts";

/** The field for a message, and the alert about one that was not sent. */

/** Milliseconds without a confirmation after which the user is told. */
const PATIENCE = 1000;

const NOT_CONNECTED = "Not sent: there is no connection to NATS. Send it again when the page is connected.";
const NO_RESPONSE = "The connection does not respond. The message is sent as soon as it does.";

export class Composer {
  readonly #input = byId<HTMLInputElement>("text");
  readonly #alert = byId("chat-error");
  #room: Room | undefined;
  /** Whether the alert is over as soon as the connection responds; otherwise it is when the user goes on. */
  #isAboutConnection = false;
  /** The number of the latest message: an earlier one no longer changes the alert. */
  #latest = 0;

  constructor() {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.#input.addEventListener("input", () => {
      if (!this.#isAboutConnection) this.#clear();
    });
  }

  /** Sends to this room from now on; undefined after it was left. */
  use(room: Room | undefined): void {
    this.#room = room;
    this.#latest++;
    this.#input.value = "";
    this.#clear();
  }

  draw(): void {
    if (this.#isAboutConnection && this.#room?.responds) this.#clear();
  }

  async #send(): Promise<void> {
    const room = this.#room;
    const text = this.#input.value.trim();
    if (!text || !room) return;
    if (!room.isConnected) {
      this.#show(NOT_CONNECTED, true);
      return;
    }
    const number = ++this.#latest;
    const tell = () => number === this.#latest && this.#show(NO_RESPONSE, true);
    this.#input.value = "";
    this.#clear();
    if (!navigator.onLine || !room.responds) tell();
    const timer = setTimeout(tell, PATIENCE);
    try {
      await room.say(text);
      if (number === this.#latest) this.#clear();
    } catch (error) {
      if (number === this.#latest) this.#failed(error as Error, text);
    } finally {
      clearTimeout(timer);
    }
  }

  #failed({ message }: Error, text: string): void {
    // It is on its way still: a second one would arrive twice.
    if (message === "TIMEOUT" && !this.#room?.responds) return;
    this.#show(
      message === "TIMEOUT" ? "Not stored: JetStream does not respond." : `Not sent: ${message}`,
      false,
    );
    if (!this.#input.value) this.#input.value = text;
  }

  #show(text: string, isAboutConnection: boolean): void {
    this.#isAboutConnection = isAboutConnection;
    setText(this.#alert, text);
  }

  #clear(): void {
    this.#show("", false);
  }
}
