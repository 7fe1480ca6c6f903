/**
 * Where rows lie that are more than a browser lets an element be high. Beyond that height the scroll
 * bar is scaled: its whole way is the way through all rows. Positions are in pixels as if nothing were.
 */

export const LINE = 28;
export const HEAD = 44;

/** Browsers give up on elements that are higher. */
export const HIGHEST = 15_000_000;

/** Rows drawn above and below those that are seen. */
const SPARE = 8;

const wanted = (count: number) => HEAD + count * LINE;

/** Returns how high the element is that holds the rows. */
export const heightOf = (count: number) => Math.min(HIGHEST, wanted(count));

/** Pixels of rows for each pixel of the scroll bar: 1 where all of them fit. */
function scale(count: number, view: number): number {
  const way = heightOf(count) - view;
  return wanted(count) <= HIGHEST || way <= 0 ? 1 : (wanted(count) - view) / way;
}

const within = (position: number, count: number, view: number) => Math.max(0, Math.min(wanted(count) - view, position));

/** Returns the position that a scroll bar stands for. */
export const positionOf = (scrollTop: number, count: number, view: number) => within(scrollTop * scale(count, view), count, view);

/** Returns where a scroll bar stands for a position. */
export const scrollTopOf = (position: number, count: number, view: number) => within(position, count, view) / scale(count, view);

/** Returns the rows to draw, both included; the last is before the first where there are none. */
export function rowsAt(position: number, count: number, view: number): [first: number, last: number] {
  const first = Math.floor((position - HEAD) / LINE) - SPARE;
  const last = Math.floor((position + view - HEAD) / LINE) + SPARE;
  return [Math.max(0, first), Math.min(count - 1, last)];
}

/** Returns the nearest position at which a row is seen as a whole, below the head. */
export function positionFor(row: number, position: number, count: number, view: number): number {
  const top = row * LINE;
  const bottom = HEAD + top + LINE - view;
  return within(position > top ? top : Math.max(position, bottom), count, view);
}
