/** Rows and columns by the million: only what is seen is drawn. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { cell, count, isNumber, raw } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { words as w } from "../words";
import { Button, copy, Dialog } from "./basics";
import { HEAD, heightOf, HIGHEST, LINE, positionFor, positionOf, rowsAt, scrollTopOf } from "./scroll";

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

/** Finds widths that fit the first rows. */
function widths(source: RowSource): number[] {
  const rows = Array.from({ length: Math.min(source.count, 50) }, (_, i) => source.row(i)).filter((row) => row !== undefined);
  return source.columns.map((column, i) => {
    const longest = rows.reduce((most, row) => Math.max(most, cell(row[i], column.type).length), 0);
    const wanted = Math.max(column.name.length * 7.6, column.type.length * 6.2, Math.min(longest, 60) * 7.2);
    return Math.round(Math.min(Math.max(wanted + 24, 88), 420));
  });
}

interface Seen {
  first: number;
  last: number;
  /** What lies between where rows are, and where they are drawn: 0 unless the scroll bar is scaled. */
  shift: number;
}

/** Which rows are seen, and how to go to others. */
function useLines(count: number) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState<Seen>({ first: 0, last: -1, shift: 0 });
  // A scaled scroll bar is too coarse to tell each position: where it was put, the exact one is held.
  const held = useRef({ top: 0, position: 0 });
  const look = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const { scrollTop, clientHeight } = element;
    if (Math.abs(scrollTop - held.current.top) >= 1) held.current = { top: scrollTop, position: positionOf(scrollTop, count, clientHeight) };
    const { position } = held.current;
    const scaled = heightOf(count) === HIGHEST;
    const [first, last] = rowsAt(scaled ? position : scrollTop, count, clientHeight);
    const shift = scaled ? scrollTop - position : 0;
    setSeen((now) => (now.first === first && now.last === last && now.shift === shift ? now : { first, last, shift }));
  }, [count]);
  const goTo = useCallback(
    (position: number) => {
      const element = box.current;
      if (!element) return;
      element.scrollTop = scrollTopOf(position, count, element.clientHeight);
      held.current = { top: element.scrollTop, position };
      look();
    },
    [count, look],
  );
  useLayoutEffect(() => {
    // More rows move the scroll bar, not what is seen.
    if (heightOf(count) === HIGHEST) goTo(held.current.position);
    else look();
  }, [count, goTo, look]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      if (heightOf(count) < HIGHEST || event.deltaY === 0 || event.ctrlKey || event.shiftKey) return;
      const unit = event.deltaMode === 1 ? LINE : event.deltaMode === 2 ? element.clientHeight : 1;
      const all = HEAD + count * LINE - element.clientHeight;
      const to = Math.max(0, Math.min(all, held.current.position + event.deltaY * unit));
      if (to === held.current.position) return;
      event.preventDefault();
      element.scrollLeft += event.deltaX;
      goTo(to);
    };
    // At once: a frame with the rows of the last one would show a gap.
    const scrolled = () => flushSync(look);
    const sized = new ResizeObserver(look);
    sized.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      sized.disconnect();
      element.removeEventListener("scroll", scrolled);
      element.removeEventListener("wheel", wheel);
    };
  }, [count, goTo, look]);
  const reveal = (row: number) => goTo(positionFor(row, held.current.position, count, box.current?.clientHeight ?? 0));
  return { box, ...seen, reveal };
}

/** Rows beyond which scrolling flies by: what is passed over is not asked for. */
const FAR = 1_000;

export function Grid({ source, label = w.grid.label }: { source: RowSource; label?: string }) {
  const { box, first, last, shift, reveal } = useLines(source.count);
  const [at, setAt] = useState({ row: 0, column: 0 });
  const [whole, setWhole] = useState<{ text: string; name: string } | null>(null);
  const sizes = useMemo(() => widths(source), [source]);
  const numberWidth = Math.max(48, count(source.count).length * 7 + 20);
  const columns = useVirtualizer({
    horizontal: true,
    count: source.columns.length,
    getScrollElement: () => box.current,
    estimateSize: (i) => sizes[i] ?? 120,
    overscan: 3,
    paddingStart: numberWidth,
  });
  useEffect(() => columns.measure(), [sizes, columns]);
  const asked = useRef(0);
  useEffect(() => {
    const need = () => {
      asked.current = first;
      source.need?.(first, Math.max(first, last));
    };
    if (Math.abs(first - asked.current) < FAR) return need();
    const resting = setTimeout(need, 80);
    return () => clearTimeout(resting);
  }, [source, first, last]);

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
    const to = { row: Math.max(0, Math.min(source.count - 1, row)), column: Math.max(0, Math.min(source.columns.length - 1, column)) };
    setAt(to);
    reveal(to.row);
    columns.scrollToIndex(to.column);
  };
  const keys = (event: React.KeyboardEvent) => {
    const page = Math.max(1, Math.floor(((box.current?.clientHeight ?? 0) - HEAD) / LINE) - 1);
    const all = event.ctrlKey || event.metaKey ? source.count : 0;
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      PageDown: [page, 0],
      PageUp: [-page, 0],
      Home: [-all, -source.columns.length],
      End: [all, source.columns.length],
    };
    const step = steps[event.key];
    if (step) move(at.row + step[0], at.column + step[1]);
    else if (event.key === "Enter") open(at.row, at.column);
    else if (event.key === "c" && (event.ctrlKey || event.metaKey)) void copy(raw(source.row(at.row)?.[at.column]));
    else return;
    event.preventDefault();
  };
  const drawn = at.row >= first && at.row <= last && columns.getVirtualItems().some((item) => item.index === at.column);
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
        <div style={{ height: heightOf(source.count), width, position: "relative" }}>
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
          {Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i).map((line) => {
            const row = source.row(line);
            return (
              <div key={line} className="line" role="row" aria-rowindex={line + 2} style={{ top: HEAD + line * LINE + shift, width }}>
                <div className="cell nr" role="rowheader" style={{ left: 0, width: numberWidth }}>
                  {count(line + 1)}
                </div>
                {columns.getVirtualItems().map((item) => {
                  const column = source.columns[item.index];
                  const value = row?.[item.index];
                  const on = at.row === line && at.column === item.index;
                  const kind = `cell${column && isNumber(column.type) ? " n" : ""}${value === null ? " null" : ""}${on ? " on" : ""}`;
                  return (
                    // biome-ignore lint: keys are handled by the grid
                    <div
                      key={item.key}
                      id={`cell-${line}-${item.index}`}
                      role="gridcell"
                      aria-colindex={item.index + 1}
                      className={kind}
                      style={{ left: item.start, width: item.size }}
                      onClick={() => setAt({ row: line, column: item.index })}
                      onDoubleClick={() => open(line, item.index)}
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
