/** Finds and makes elements. Text is inserted as text, never as HTML. */

/** The element of index.html with this id. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found as Element as T;
}

/** Makes an element with a class and content. */
export function element(tag: string, className: string, ...content: (string | Node)[]): HTMLElement {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** Sets a text if it has changed, so that an unchanged one is not drawn or read out again. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** A subject, with line breaks allowed after its dots. */
export function subjectElement(subject: string): HTMLElement {
  const parts = subject.split(/(?<=\.)/).flatMap((token) => [token, document.createElement("wbr")]);
  return element("code", "", ...parts);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

export function timeElement(date: Date, withSeconds = false): HTMLElement {
  const made = element("time", "", (withSeconds ? clockWithSeconds : clock).format(date)) as HTMLTimeElement;
  made.dateTime = date.toISOString();
  return made;
}

/** Has a screen reader say a text that is not visible. */
export function announce(text: string): void {
  setText(byId("announcer"), text);
}

const number = new Intl.NumberFormat("en");
export const format = (value: number): string => number.format(value);
