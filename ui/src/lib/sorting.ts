/** Putting rows in order by a column, as the server would. */

import { isNumber, isTime } from "./format";
import type { Cell, ResultInfo, Row } from "./rows";
import { skip, statements } from "./sqltext";

export interface Order {
  column: number;
  down: boolean;
}

/** What a press on a column's head makes of an order: upwards, downwards, as it came. */
export function pressed(now: Order | null, column: number): Order | null {
  if (now?.column !== column) return { column, down: false };
  return now.down ? null : { column, down: true };
}

/** Numbers beyond 2^53 and decimals come as text: compared as numbers, and by their digits where those are equal. */
function compareNumbers(a: Cell, b: Cell): number {
  const [x, y] = [Number(a), Number(b)];
  if (x !== y) return Number.isNaN(x) || Number.isNaN(y) ? Number(Number.isNaN(x)) - Number(Number.isNaN(y)) : x - y;
  const whole = /^-?\d+$/;
  if (typeof a !== "string" || typeof b !== "string" || !whole.test(a) || !whole.test(b)) return 0;
  const difference = BigInt(a) - BigInt(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

const written = (value: Cell) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function compareTexts(a: Cell, b: Cell): number {
  const [x, y] = [written(a), written(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Moments of different fractions of a second differ in length: by value first. */
function compareTimes(a: Cell, b: Cell): number {
  const [x, y] = [Date.parse(written(a)), Date.parse(written(b))];
  return Number.isNaN(x) || Number.isNaN(y) || x === y ? compareTexts(a, b) : x - y;
}

/** Returns where each row stands in order: equal ones as they came, those without a value last. */
export function sorted(rows: readonly (Row | undefined)[], { column, down }: Order, type: string): number[] {
  const compare = isNumber(type) ? compareNumbers : isTime(type) ? compareTimes : compareTexts;
  const sign = down ? -1 : 1;
  return rows
    .map((_, i) => i)
    .sort((i, j) => {
      const [a, b] = [rows[i]?.[column] ?? null, rows[j]?.[column] ?? null];
      if (a === null || b === null) return Number(a === null) - Number(b === null) || i - j;
      return sign * compare(a, b) || i - j;
    });
}

/** Writes the question whose answer is another's in order; the values it was asked with stay values. */
export function askedInOrder(result: Pick<ResultInfo, "sql" | "params">, order: Order): { sql: string; params?: Record<string, unknown> } {
  const text = statements(result.sql)[0]?.text ?? result.sql;
  let inner = "";
  let i = 0;
  while (i < text.length) {
    const end = skip(text, i);
    const place = end > i ? null : /^\$(\d+)/.exec(text.slice(i, i + 12));
    if (place) {
      inner += `{{value_${place[1]}}}`;
      i += place[0].length;
    } else {
      inner += text.slice(i, Math.max(end, i + 1));
      i = Math.max(end, i + 1);
    }
  }
  const params = Object.fromEntries(result.params.map((value, n) => [`value_${n + 1}`, value]));
  const sql = `select * from (\n${inner}\n) as answer order by ${order.column + 1}${order.down ? " desc" : ""} nulls last`;
  return result.params.length > 0 ? { sql, params } : { sql };
}
