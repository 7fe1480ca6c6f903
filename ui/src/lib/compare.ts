/** What differs between two answers: rows that came, went, or have other values. */

import { isNumber } from "./format";
import type { Column, Row } from "./rows";

export interface Answer {
  columns: Column[];
  rows: Row[];
}

export type Fate = "new" | "gone" | "changed";

export interface Difference {
  fate: Fate;
  before?: Row;
  after?: Row;
}

export interface Compared {
  /** The columns both have. */
  columns: Column[];
  differences: Difference[];
  counts: Record<Fate | "same", number>;
}

/** The columns that most likely say which row is which: all that are no numbers; all, if there are only numbers. */
export function usualKey(columns: Column[]): string[] {
  const words = columns.filter((column) => !isNumber(column.type));
  return (words.length > 0 ? words : columns.slice(0, 1)).map((column) => column.name);
}

/** The columns that two answers share. */
export const shared = (a: Column[], b: Column[]): Column[] => b.filter((column) => a.some((other) => other.name === column.name));

const picked = (answer: Answer, columns: Column[]): Row[] => {
  const at = columns.map((column) => answer.columns.findIndex((own) => own.name === column.name));
  return answer.rows.map((row) => at.map((i) => row[i]));
};

/** Compares rows by a key; those of one key that are several are told apart by their order. */
export function compare(before: Answer, after: Answer, key: string[]): Compared {
  const columns = shared(before.columns, after.columns);
  const at = columns.flatMap((column, i) => (key.includes(column.name) ? [i] : []));
  const index = (rows: Row[]) => {
    const seen = new Map<string, number>();
    return new Map(
      rows.map((row) => {
        const own = JSON.stringify(at.map((i) => row[i] ?? null));
        const nth = seen.get(own) ?? 0;
        seen.set(own, nth + 1);
        return [`${nth}:${own}`, row] as const;
      }),
    );
  };
  const old = index(picked(before, columns));
  const now = index(picked(after, columns));
  const counts = { new: 0, gone: 0, changed: 0, same: 0 };
  const differences: Difference[] = [];
  for (const [name, row] of now) {
    const was = old.get(name);
    if (!was) differences.push({ fate: "new", after: row });
    else if (JSON.stringify(was) !== JSON.stringify(row)) differences.push({ fate: "changed", before: was, after: row });
    else counts.same += 1;
  }
  for (const [name, row] of old) if (!now.has(name)) differences.push({ fate: "gone", before: row });
  for (const { fate } of differences) counts[fate] += 1;
  return { columns, differences, counts };
}
