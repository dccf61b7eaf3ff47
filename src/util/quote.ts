const MAX = 64;

/** Somebody else's text, made safe to stand in a message or a log line: printable ASCII, bounded, in double quotes. */
export function quote(text: string): string {
  const start = text.length > MAX ? `${text.slice(0, MAX)}…` : text;
  const toEscape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(start).replace(/[^ -~…]/g, toEscape);
}
