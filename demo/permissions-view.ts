import type { Permissions } from "../src/browser/index.ts";
import { byId, element, setText, subjectElement } from "./dom.ts";
import type { Room } from "./room.ts";

/** The permissions in clear, and two tries to go beyond them. */

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

/** Names whom to try it on. */
export function showSomebody(name: string): void {
  for (const target of document.querySelectorAll(".somebody")) setText(target, name);
}

export async function trySaying(room: Room, name: string): Promise<void> {
  const { subject, isDenied } = await room.trySayingAs(name, `${room.name} was here`);
  showVerdict("publish to", subject, isDenied);
}

export async function tryListening(room: Room, name: string): Promise<void> {
  const { subject, isDenied } = await room.tryListeningTo(name);
  showVerdict("subscribe to", subject, isDenied);
}

export function clearVerdict(): void {
  byId("verdict").replaceChildren();
}

function showVerdict(what: string, subject: string, isDenied: boolean): void {
  const verdict = element(
    "p",
    isDenied ? "verdict denied" : "verdict allowed",
    element("strong", "", isDenied ? "Denied by the server:" : "The server let it pass:"),
    ` ${what} `,
    subjectElement(subject),
  );
  byId("verdict").replaceChildren(verdict);
}
