import { createHash } from "node:crypto";

/** The style sheet of pages without scripts, such as `/docs`. A page contains it. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d4d8dd, #3a4048); --faint: light-dark(#f4f6f8, #22272e);
  --text: light-dark(#1c2128, #e6e9ed); --quiet: light-dark(#565e69, #a3abb6); --link: light-dark(#0b57b5, #8ab8ff); }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 52rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--text); background: light-dark(#fff, #171b21); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 0.5rem; }
small, dt span { color: var(--quiet); font-weight: normal; }
a { color: var(--link); }
code { font: 0.9em/1.4 ui-monospace, monospace; background: var(--faint); padding: 0.1em 0.3em; border-radius: 3px; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
.verb { font: 600 0.85em ui-monospace, monospace; }
dl { margin: 0.5rem 0; }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0 0 0 1rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0 0.75rem; }
summary { cursor: pointer; padding: 0.5rem 0; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
`;

/** The Content-Security-Policy of these pages, which allows the style sheet by its hash. */
export const DOCS_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(DOCS_STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
