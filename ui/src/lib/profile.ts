/** What a column holds, told by the rows that are here. */

import { type Bin, bins, numeric } from "../charts/spec";
import { isBoundless, isNumber, raw } from "./format";
import type { Cell, Row } from "./rows";
import { sorted } from "./sorting";

export interface Profile {
  rows: number;
  nulls: number;
  distinct: number;
  /** Null where there is no value at all. */
  min: Cell;
  max: Cell;
  /** The most frequent values; none where each stands there once. */
  top: { value: Cell; count: number }[];
  /** How numbers are spread; none of what are no numbers. */
  bins: Bin[];
  /** What of numbers is NaN or infinite; it is in none of the above but `distinct`. */
  boundless: { value: Cell; count: number }[];
}

/** Values that are named. */
const TOP = 8;

export function profileOf(rows: readonly Row[], column: number, type: string): Profile {
  const seen = new Map<string, { value: Cell; count: number }>();
  let nulls = 0;
  for (const row of rows) {
    const value = row[column] ?? null;
    if (value === null) {
      nulls += 1;
      continue;
    }
    const key = raw(value);
    const known = seen.get(key);
    if (known) known.count += 1;
    else seen.set(key, { value, count: 1 });
  }
  const all = [...seen.values()];
  const apart = isNumber(type) ? all.filter(({ value }) => isBoundless(value)) : [];
  const values = all.filter((one) => !apart.includes(one));
  const order = sorted(
    values.map(({ value }) => [value]),
    { column: 0, down: false },
    type,
  );
  const at = (i: number | undefined): Cell => (i === undefined ? null : (values[i]?.value ?? null));
  const numbers = isNumber(type) ? rows.map((row) => numeric(row[column])).filter((value) => value !== null) : [];
  const repeated = values.filter(({ count }) => count > 1 || values.length <= TOP);
  return {
    rows: rows.length,
    nulls,
    distinct: all.length,
    min: at(order[0]),
    max: at(order.at(-1)),
    top: repeated.sort((a, b) => b.count - a.count).slice(0, TOP),
    bins: bins(numbers),
    boundless: apart,
  };
}
