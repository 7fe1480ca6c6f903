/** Rows and columns by the million: only what is seen is drawn. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { cell, count, isNumber, raw } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { words as w } from "../words";
import { Button, copy, Dialog } from "./basics";

/** Where rows come from: those that are not there yet are asked for as they are scrolled to. */
export interface RowSource {
  columns: Column[];
  count: number;
  row(index: number): Row | undefined;
  /** Says which rows are seen. */
  need?(from: number, to: number): void;
}

/** Rows that are all in memory. */
export const inMemory = (columns: Column[], rows: Row[]): RowSource => ({ columns, count: rows.length, row: (i) => rows[i] });

const LINE = 28;
const HEAD = 44;
/** Browsers give up on elements that are higher; more rows than fit are reached by pages of the source. */
const HIGHEST = 15_000_000;

/** Finds widths that fit the first rows. */
function widths(source: RowSource): number[] {
  const rows = Array.from({ length: Math.min(source.count, 50) }, (_, i) => source.row(i)).filter((row) => row !== undefined);
  return source.columns.map((column, i) => {
    const longest = rows.reduce((most, row) => Math.max(most, cell(row[i], column.type).length), 0);
    const wanted = Math.max(column.name.length * 7.6, column.type.length * 6.2, Math.min(longest, 60) * 7.2);
    return Math.round(Math.min(Math.max(wanted + 24, 88), 420));
  });
}

export function Grid({ source, label = w.grid.label }: { source: RowSource; label?: string }) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ row: 0, column: 0 });
  const [whole, setWhole] = useState<{ text: string; name: string } | null>(null);
  const sizes = useMemo(() => widths(source), [source]);
  const numberWidth = Math.max(48, count(source.count).length * 7 + 20);
  const shown = Math.min(source.count, Math.floor(HIGHEST / LINE));
  const lines = useVirtualizer({ count: shown, getScrollElement: () => box.current, estimateSize: () => LINE, overscan: 8, paddingStart: HEAD });
  const columns = useVirtualizer({
    horizontal: true,
    count: source.columns.length,
    getScrollElement: () => box.current,
    estimateSize: (i) => sizes[i] ?? 120,
    overscan: 3,
    paddingStart: numberWidth,
  });
  useEffect(() => columns.measure(), [sizes, columns]);
  const items = lines.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => source.need?.(first, last), [source, first, last]);

  const open = (row: number, column: number) => {
    const value = source.row(row)?.[column];
    const name = source.columns[column]?.name ?? "";
    if (value === undefined) return;
    let text = raw(value);
    if (typeof value === "object" && value !== null) text = JSON.stringify(value, null, 2);
    else if (typeof value === "string" && /^\s*[[{]/.test(value)) {
      try {
        text = JSON.stringify(JSON.parse(value), null, 2);
      } catch {
        // It only looks like JSON.
      }
    }
    setWhole({ text, name });
  };
  const move = (row: number, column: number) => {
    const to = { row: Math.max(0, Math.min(shown - 1, row)), column: Math.max(0, Math.min(source.columns.length - 1, column)) };
    setAt(to);
    lines.scrollToIndex(to.row);
    columns.scrollToIndex(to.column);
  };
  const keys = (event: React.KeyboardEvent) => {
    const page = Math.max(1, items.length - 10);
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      PageDown: [page, 0],
      PageUp: [-page, 0],
      Home: [0, -source.columns.length],
      End: [0, source.columns.length],
    };
    const step = steps[event.key];
    if (step) move(at.row + step[0], at.column + step[1]);
    else if (event.key === "Enter") open(at.row, at.column);
    else if (event.key === "c" && (event.ctrlKey || event.metaKey)) void copy(raw(source.row(at.row)?.[at.column]));
    else return;
    event.preventDefault();
  };
  const drawn = items.some((line) => line.index === at.row) && columns.getVirtualItems().some((item) => item.index === at.column);
  const width = columns.getTotalSize();
  return (
    <>
      <div
        className="grid"
        role="grid"
        aria-label={label}
        aria-rowcount={source.count + 1}
        aria-colcount={source.columns.length}
        aria-activedescendant={drawn ? `cell-${at.row}-${at.column}` : undefined}
        // biome-ignore lint: a grid is moved in by keys
        tabIndex={0}
        ref={box}
        onKeyDown={keys}
      >
        <div style={{ height: lines.getTotalSize(), width, position: "relative" }}>
          <div className="heads" role="row" aria-rowindex={1} style={{ width }}>
            {columns.getVirtualItems().map((item) => {
              const column = source.columns[item.index];
              return (
                <div key={item.key} role="columnheader" aria-colindex={item.index + 1} className="headcell" style={{ left: item.start, width: item.size }} title={`${column?.name} (${column?.type})`}>
                  <b>{column?.name}</b>
                  <small>{column?.type}</small>
                </div>
              );
            })}
          </div>
          {items.map((line) => {
            const row = source.row(line.index);
            return (
              <div key={line.key} className="line" role="row" aria-rowindex={line.index + 2} style={{ top: line.start, width }}>
                <div className="cell nr" role="rowheader" style={{ left: 0, width: numberWidth }}>
                  {count(line.index + 1)}
                </div>
                {columns.getVirtualItems().map((item) => {
                  const column = source.columns[item.index];
                  const value = row?.[item.index];
                  const on = at.row === line.index && at.column === item.index;
                  const kind = `cell${column && isNumber(column.type) ? " n" : ""}${value === null ? " null" : ""}${on ? " on" : ""}`;
                  return (
                    // biome-ignore lint: keys are handled by the grid
                    <div
                      key={item.key}
                      id={`cell-${line.index}-${item.index}`}
                      role="gridcell"
                      aria-colindex={item.index + 1}
                      className={kind}
                      style={{ left: item.start, width: item.size }}
                      onClick={() => setAt({ row: line.index, column: item.index })}
                      onDoubleClick={() => open(line.index, item.index)}
                    >
                      {row === undefined ? w.grid.loading : cell(value, column?.type ?? "text")}
                    </div>
                  );
                })}
              </div>
            );
          })}
        </div>
      </div>
      {whole && (
        <Dialog title={`${w.grid.wholeValue}: ${whole.name}`} wide onClose={() => setWhole(null)}>
          <div className="stack">
            <pre className="card">{whole.text}</pre>
            <div className="row">
              <Button onClick={() => void copy(whole.text)}>{w.common.copy}</Button>
              <Button onClick={() => setWhole(null)}>{w.common.close}</Button>
            </div>
          </div>
        </Dialog>
      )}
    </>
  );
}
