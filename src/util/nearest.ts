/** "Did you mean": the name that a misspelt one was meant to be. */

/**
 * The known name with the fewest typing errors between it and `name`, in whatever case; undefined when every one is
 * further away than `most`. A typing error is a character too many, missing, wrong, or exchanged with the next one.
 */
export function nearestName(name: string, known: Iterable<string>, most: number): string | undefined {
  let nearest: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = typingErrors(name.toUpperCase(), candidate.toUpperCase());
    if (distance <= most && distance < (nearest?.distance ?? Number.POSITIVE_INFINITY)) {
      nearest = { name: candidate, distance };
    }
  }
  return nearest?.name;
}

/** The optimal string alignment distance of two texts. */
function typingErrors(a: string, b: string): number {
  /** The distances of the starts of `a` from the start of `b` in the present column and in the two before it. */
  let [before, last, current]: [number[], number[], number[]] = [[], [], [...a, ""].map((_, i) => i)];
  for (let j = 1; j <= b.length; j++) {
    [before, last, current] = [last, current, [j]];
    for (let i = 1; i <= a.length; i++) {
      const isSame = a[i - 1] === b[j - 1];
      const at = (column: number[], row: number) => column[row] ?? Number.POSITIVE_INFINITY;
      let least = Math.min(at(current, i - 1) + 1, at(last, i) + 1, at(last, i - 1) + (isSame ? 0 : 1));
      if (i > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(before, i - 2) + 1);
      current.push(least);
    }
  }
  return current[a.length] ?? 0;
}
