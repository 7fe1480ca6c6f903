/** Where the names of lines stand, at the right of a drawing: beside the ends of their lines, and none over another. */

/** Of one name, in pixels. */
export const NAME_HEIGHT = 15;

/** Beyond this a name is tied to its line by a leader. */
export const LED = 4;

/** Whether so many names have room below each other. */
export const named = (count: number, height: number): boolean => count * NAME_HEIGHT <= height;

/**
 * Returns where each name stands: as near to its wanted height as it may, at least `apart` from the
 * others, and in their order. Names that touch stand together around the middle of what they want.
 */
export function spread(wanted: readonly number[], top: number, bottom: number, apart = NAME_HEIGHT): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0) || a - b);
  const groups: { of: number[]; at: number }[] = [];
  const [first, last] = [top + apart / 2, bottom - apart / 2];
  // A group begins where its names are nearest to what they want, and inside of the drawing.
  const placed = (of: number[]) => {
    const mean = of.reduce((sum, i, nth) => sum + (wanted[i] ?? 0) - nth * apart, 0) / of.length;
    return { of, at: Math.max(first, Math.min(last - (of.length - 1) * apart, mean)) };
  };
  for (const i of order) {
    let group = placed([i]);
    for (let before = groups.at(-1); before && before.at + before.of.length * apart > group.at; before = groups.at(-1)) {
      groups.pop();
      group = placed([...before.of, ...group.of]);
    }
    groups.push(group);
  }
  const found = wanted.map(() => 0);
  for (const { of, at } of groups) of.forEach((i, nth) => (found[i] = at + nth * apart));
  return found;
}
