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

export async function tryPublishing(room: Room, name: string): Promise<void> {
  const { subject, isDenied } = await room.tryPublishingAs(name, `${room.name} was here`);
  showVerdict("publish to", subject, isDenied);
}

export async function trySubscribing(room: Room, name: string): Promise<void> {
  const { subject, isDenied } = await room.trySubscribingTo(name);
  showVerdict("subscribe to", subject, isDenied);
}

export function clearVerdict(): void {
  byId("verdict").replaceChildren();
}

function showVerdict(what: string, subject: string, isDenied: boolean): void {
  const verdict = element(
    "p",
    isDenied ? "verdict denied" : "verdict allowed",
    element("strong", "", isDenied ? "Denied by the server:" : "Allowed by the server:"),
    ` ${what} `,
    subjectElement(subject),
  );
  byId("verdict").replaceChildren(verdict);
}
