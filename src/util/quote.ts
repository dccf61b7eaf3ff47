const MAX_LENGTH = 64;

/** An untrusted text, made safe for a message or a log line: printable ASCII, at most 64 characters, in double quotes. */
export function quote(text: string): string {
  const start = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
  const toEscape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(start).replace(/[^ -~…]/g, toEscape);
}

/** An untrusted text as one line, without the control characters that a terminal would act on. */
export const stripControls = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ");
