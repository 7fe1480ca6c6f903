/** Which of an answer's rows a big number is of. */

import { isTime } from "../lib/format";
import type { Cell, Column, Row } from "../lib/rows";
import { type ChartSpec, numeric } from "./spec";
import { instantOf, timeline } from "./time";

export interface Headline {
  value: Cell;
  before: Cell;
  /** From the one before to this one, as a share; null where there is nothing to compare. */
  change: number | null;
  /** Which period it is of, where there is time: its column, and its place. */
  time?: { column: Column; place: Cell };
  /** Whether that period was not over when the answer was made. */
  open: boolean;
}

/**
 * Takes the newest period and the one before it, whatever order rows came in; without time, the first
 * row and the second. `at` is when the answer was made. Null when the column is not there.
 */
export function headline(spec: ChartSpec, columns: Column[], rows: Row[], at: number): Headline | null {
  const y = columns.findIndex((column) => column.name === spec.y?.[0]);
  if (y < 0) return null;
  const named = columns.findIndex((column) => column.name === spec.x && isTime(column.type));
  const x = named >= 0 ? named : columns.findIndex((column) => isTime(column.type));
  const column = columns[x];
  const periods = column ? inTime(rows, x, y, column.type) : [];
  const newest = periods.at(-1);
  if (!column || !newest) return { ...compared(rows[0]?.[y], rows[1]?.[y]), open: false };
  const { open } = timeline(
    periods.map((one) => one.place),
    column.type,
    at,
  );
  return { ...compared(newest.value, periods.at(-2)?.value), time: { column, place: newest.place }, open };
}

function compared(value: Cell, before: Cell): Pick<Headline, "value" | "before" | "change"> {
  const [now, then] = [numeric(value), numeric(before)];
  return { value, before, change: now !== null && then !== null && then !== 0 ? (now - then) / Math.abs(then) : null };
}

/** Returns a value for each moment, oldest first; several rows of one add up, as in other charts. */
function inTime(rows: Row[], x: number, y: number, type: string): { place: Cell; value: Cell }[] {
  const found = new Map<number, { place: Cell; value: Cell }>();
  for (const row of rows) {
    const ms = instantOf(row[x], type);
    if (ms === null) continue;
    const known = found.get(ms);
    // A value that is alone stays as it came: as a number it might be rounded.
    if (!known) found.set(ms, { place: row[x], value: row[y] });
    else if (numeric(row[y]) !== null) known.value = (numeric(known.value) ?? 0) + (numeric(row[y]) ?? 0);
  }
  return [...found].sort(([a], [b]) => a - b).map(([, one]) => one);
}
