/** Reads blocks, tables and links of a Markdown file. */

export interface Block {
  /** The word after the opening fence. */
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks, in order. */
export function blocks(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => ({
    language,
    text,
  }));
}

/** The text under a heading, up to the next heading of the same or a higher level. */
export function section(markdown: string, heading: string): string {
  const start = markdown.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`there is no heading "${heading}"`);
  const level = heading.indexOf(" ");
  const text = markdown.slice(start + heading.length + 2);
  const end = text.search(new RegExp(`^#{1,${level}} `, "m"));
  return end < 0 ? text : text.slice(0, end);
}

/** The rows of every table whose first column has this title, as their cells. */
export function rows(markdown: string, firstColumn: string): string[][] {
  const tables = markdown.matchAll(/^\| *(.*?) *\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)/gm);
  return [...tables]
    .filter(([, title]) => title === firstColumn)
    .flatMap(([, , body = ""]) => body.trim().split("\n"))
    .map((row) =>
      row
        .slice(1, -1)
        .split(" | ")
        .map((cell) => cell.trim()),
    );
}

/** The code spans, outside of blocks. */
export function codeSpans(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

/** The targets of links, except to other hosts. */
export function links(markdown: string): string[] {
  const targets = [...withoutBlocks(markdown).matchAll(/\]\(([^)]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors of its headings. */
export function anchors(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** A comment in a block could look like a heading. */
const withoutBlocks = (markdown: string) => markdown.replace(/^```.*?^```$/gms, "");
