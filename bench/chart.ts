/** A bar chart as SVG: one bar for each contender, with a line from the minimum to the maximum. For light and dark themes. */

export interface Bar {
  readonly label: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Bars of this project have another color. */
  readonly ours: boolean;
}

const WIDTH = 800;
const LABELS = 400;
const FIGURES = 70;
const ROW = 30;
const TOP = 40;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .bar { fill: #9aa4b2 }
  .ours { fill: #2f7d5b }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .bar { fill: #59636e }
    .ours { fill: #4fb286 }
    .spread { stroke: #e6edf3 }
  }
`;

export function chart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map((bar) => bar.most));
  const x = (value: number) => LABELS + (value / most) * (WIDTH - LABELS - FIGURES);
  const height = TOP + bars.length * ROW + 10;
  const rows = bars.map((bar, i) => row(bar, TOP + i * ROW, x));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(title)}">
<style>${STYLE}</style>
<text class="title" x="10" y="22">${escapeText(title)}</text>
${rows.join("\n")}
</svg>
`;
}

function row({ label, median, least, most, ours }: Bar, y: number, x: (value: number) => number): string {
  const middle = y + ROW / 2;
  const at = (value: number) => x(value).toFixed(1);
  const end = (value: number) => `M${at(value)} ${middle - 5}V${middle + 5}`;
  return `<text x="${LABELS - 10}" y="${middle + 4}" text-anchor="end">${escapeText(label)}</text>
<rect class="${ours ? "ours" : "bar"}" x="${LABELS}" y="${y + 5}" width="${(x(median) - LABELS).toFixed(1)}" height="${ROW - 10}" rx="2"/>
<path class="spread" fill="none" d="${end(least)}${end(most)}M${at(least)} ${middle}H${at(most)}"/>
<text x="${(x(most) + 8).toFixed(1)}" y="${middle + 4}">${figure(median)}</text>`;
}

/** 12345 as 12,300: the measurement is not precise enough for more digits. */
export function figure(value: number): string {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 2);
  return (Math.round(value / step) * step).toLocaleString("en-US");
}

const escapeText = (text: string) =>
  text.replace(/`/g, "").replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
