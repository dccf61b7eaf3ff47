/** Something that stops the launcher: `message` says what is wrong and what to do. */
export class Trouble extends Error {
  override name = "Trouble";
}

export function say(line: string): void {
  console.log(line);
}
