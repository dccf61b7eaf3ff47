// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of .env files
/** Texts of `.env` files and their variables as Docker Compose reads them; `PLACE` is `/home/me`. */
export const FILES: readonly [text: string, variables: Record<string, string>][] = [
  ["", {}],
  ["A=1\nB=2", { A: "1", B: "2" }],
  ['A="[\\"http://x\\"]"', { A: '["http://x"]' }],
  [`A='["http://x", "http://y"]'`, { A: '["http://x", "http://y"]' }],
  ['A=["http://x", "http://y"]', { A: '["http://x", "http://y"]' }],
  ["A= x y  # comment\nB=a#b\nC=#c\nD= #d\nE=x\t#e", { A: "x y", B: "a#b", C: "#c", D: "#d", E: "x\t#e" }],
  ["# comment\n\n  A=1\n  # B=2\n", { A: "1" }],
  ['A="x" # comment\nB=2', { A: "x", B: "2" }],
  ['A="two\nlines"\nB=2', { A: "two\nlines", B: "2" }],
  ['A="a\\nb\\tc\\\\d"', { A: "a\nb\tc\\d" }],
  ["A='a\\nb'", { A: "a\\nb" }],
  ["A='it\\'s'", { A: "it's" }],
  ["A=a\\nb", { A: "a\\nb" }],
  ["A=1\nB=$A\nC=${A}x\nD=\"${A}y\"\nE='$A'", { A: "1", B: "1", C: "1x", D: "1y", E: "$A" }],
  ["A=${NO:-b}\nB=${NO-c}\nC=${PLACE:+d}\nD=$PLACE", { A: "b", B: "c", C: "d", D: "/home/me" }],
  ["A=$NO.x\nB=$5\nC=a$\nD=$$x", { A: ".x", B: "$5", C: "a$", D: "$x" }],
  ["PLACE=/other\nA=$PLACE", { PLACE: "/other", A: "/home/me" }],
  ['export A=1\nB : 2\nC: 3\nD=\nE=""', { A: "1", B: "2", C: "3", D: "", E: "" }],
  ["A\nPLACE\nB=2", { PLACE: "/home/me", B: "2" }],
  ["A=1\nA=2", { A: "2" }],
  ['A=1\r\nB="x"\r\nC=y \r\n', { A: "1", B: "x", C: "y" }],
  ['A=`x`\nB=a"b"\nC=a=b', { A: "`x`", B: 'a"b"', C: "a=b" }],
  ["ä=1\nA-B=2\nA.B=3", { ä: "1", "A-B": "2", "A.B": "3" }],
];

/** Texts that Compose refuses too, and the line that the message names. */
export const REFUSED: readonly [text: string, line: number][] = [
  ["A B=1", 1],
  ["A=1\nB!=2", 2],
  ["A=1\n\n# c\nB = 2 3\nC D\nE=1", 5],
  ['A="x\nB=2', 1],
  ["A='x", 1],
  ["A=1\nB=${A", 2],
  ["A=${NO:?is needed}", 1],
];
