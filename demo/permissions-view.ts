import type { Permissions } from "../src/browser/index.ts";
import { byId, element, setText, subjectElement } from "./dom.ts";
import type { Room } from "./room.ts";

/** The permissions of the credential, and two attempts to exceed them. */

export function showPermissions({ pub, sub }: Permissions): void {
  const lists = [
    list("May publish to", pub?.allow),
    list("May subscribe to", sub?.allow),
    list("May never publish to", pub?.deny),
    list("May never subscribe to", sub?.deny),
  ];
  byId("permissions").replaceChildren(...lists.flat());
}

function list(title: string, subjects: readonly string[] = []): HTMLElement[] {
  if (subjects.length === 0) return [];
  const items = subjects.map((subject) => element("li", "", subjectElement(subject)));
  return [element("h3", "", title), element("ul", "subjects", ...items)];
}

/** Shows the name that the attempts are made with. */
export function showOtherUser(name: string): void {
  for (const target of document.querySelectorAll(".other-user")) setText(target, name);
}

export interface Attempt {
  /** What was tried: `publish to`. */
  readonly what: string;
  readonly subject: string;
  readonly isDenied: boolean;
}

export async function tryPublishing(room: Room, name: string): Promise<Attempt> {
  return { what: "publish to", ...(await room.tryPublishingAs(name, `${room.name} was here`)) };
}

export async function trySubscribing(room: Room, name: string): Promise<Attempt> {
  return { what: "subscribe to", ...(await room.trySubscribingTo(name)) };
}

export function clearVerdict(): void {
  byId("verdict").replaceChildren();
}

/** Shows that an attempt can't be made now, or no longer shows it. */
export function showNoResponse(isSilent: boolean): void {
  const shown = byId("verdict").querySelector(".waiting");
  if (!isSilent) shown?.remove();
  else if (!shown) {
    byId("verdict").replaceChildren(
      element("p", "verdict waiting", "NATS does not respond now. Try again later."),
    );
  }
}

export function showVerdict({ what, subject, isDenied }: Attempt): void {
  const verdict = element(
    "p",
    isDenied ? "verdict denied" : "verdict allowed",
    element("strong", "", isDenied ? "Denied by the server:" : "Allowed by the server:"),
    ` ${what} `,
    subjectElement(subject),
  );
  byId("verdict").replaceChildren(verdict);
}
