/** Which cells are chosen, and how they are copied. */

import { isNumber, raw } from "./format";
import type { Column, Row } from "./rows";

export interface Place {
  row: number;
  column: number;
}

export interface Area {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/** Returns the area between two places, both included. */
export const between = (a: Place, b: Place): Area => ({
  top: Math.min(a.row, b.row),
  bottom: Math.max(a.row, b.row),
  left: Math.min(a.column, b.column),
  right: Math.max(a.column, b.column),
});

export const holds = (area: Area, row: number, column: number) => row >= area.top && row <= area.bottom && column >= area.left && column <= area.right;

/** Rows that are copied at most: clipboards are kept in memory. */
export const MOST_COPIED = 100_000;

/** Writes a value so that a spreadsheet takes it for what it is: never for two cells, and text never for a formula. */
function field(value: unknown, type: string): string {
  const text = raw(value);
  const tame = typeof value === "string" && !isNumber(type) && /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[\t\n\r"]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame;
}

/** Writes an area as lines of fields with tabs between, with how many rows of it were here; one cell is as it is. */
export function asText(columns: readonly Column[], row: (index: number) => Row | undefined, area: Area): { text: string; rows: number; missing: number } {
  if (area.top === area.bottom && area.left === area.right) {
    const only = row(area.top);
    return { text: raw(only?.[area.left]), rows: only ? 1 : 0, missing: only ? 0 : 1 };
  }
  const lines: string[] = [];
  for (let at = area.top; at <= area.bottom && lines.length < MOST_COPIED; at += 1) {
    const values = row(at);
    if (values) lines.push(columns.slice(area.left, area.right + 1).map((column, i) => field(values[area.left + i], column.type)).join("\t"));
  }
  return { text: lines.join("\n"), rows: lines.length, missing: area.bottom - area.top + 1 - lines.length };
}
