/** Rows in another order: sorted here as far as they are here, else asked for anew. */

import { useEffect, useMemo, useState } from "react";
import { type Order, sorted } from "../lib/sorting";
import type { RowSource } from "./grid";

export interface Ordered {
  source: RowSource;
  order: Order | null;
  setOrder(order: Order | null): void;
  /** How many rows were put in order, where that is not all of them. */
  among: number | null;
}

/** Returns the rows that are in memory. */
export const loadedOf = (source: RowSource) => Math.min(source.loaded ?? source.count, source.count);

export function useOrdered(source: RowSource): Ordered {
  const [own, setOwn] = useState<Order | null>(null);
  const loaded = loadedOf(source);
  const whole = loaded >= source.count;
  const asks = !whole && source.order ? source.order : null;
  const names = source.columns.map((column) => column.name).join("\0");
  // Another question has another order; the same one, asked again, keeps it.
  useEffect(() => setOwn(null), [names]);
  const order = asks ? asks.now : own;
  const here = order !== null && order.column < source.columns.length && (asks === null || asks.failed !== undefined);
  const shown = useMemo<RowSource>(() => {
    if (!here || !order) return source;
    const rows = Array.from({ length: loaded }, (_, i) => source.row(i));
    const at = sorted(rows, order, source.columns[order.column]?.type ?? "text");
    return { columns: source.columns, count: loaded, row: (i) => rows[at[i] ?? -1] };
  }, [source, here, order, loaded]);
  return { source: shown, order, setOrder: asks ? asks.set : setOwn, among: here && !whole ? loaded : null };
}
