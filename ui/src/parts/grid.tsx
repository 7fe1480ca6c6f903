/** Rows and columns by the million: only what is seen is drawn. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import type { Picks } from "../charts/pick";
import { isZoned } from "../charts/time";
import { cell, count, isNumber, raw } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { asText, between, holds, type Place } from "../lib/selection";
import { type Order, pressed } from "../lib/sorting";
import { words as w } from "../words";
import { textWidth } from "../lib/measure";
import { Button, copy, Dialog, Trouble } from "./basics";
import { Head, within } from "./gridhead";
import { useLines } from "./lines";
import { loadedOf, useOrdered } from "./ordered";
import { ColumnProfile } from "./profile";
import { HEAD, heightOf, LINE } from "./scroll";

/** Where rows come from: those that are not there yet are asked for as they are scrolled to. */
export interface RowSource {
  columns: Column[];
  count: number;
  row(index: number): Row | undefined;
  /** Says which rows are seen. */
  need?(from: number, to: number): void;
  /** Why rows that were asked for did not come. */
  lost?: Error;
  /** How many of them, from the first, are in memory; all when left out. */
  loaded?: number;
  /** How all rows are put in order where not all of them are here. */
  order?: {
    now: Order | null;
    set(order: Order | null): void;
    /** Whether they are being asked for in that order. */
    busy?: boolean;
    /** Why they cannot be had in it. */
    failed?: string;
  };
}

/** Rows that are all in memory. */
export const inMemory = (columns: Column[], rows: Row[]): RowSource => ({ columns, count: rows.length, row: (i) => rows[i] });

/** Finds widths that fit the first rows. */
function widths(source: RowSource): number[] {
  const rows = Array.from({ length: Math.min(source.count, 50) }, (_, i) => source.row(i)).filter((row) => row !== undefined);
  return source.columns.map((column, i) => {
    const longest = rows.reduce((most, row) => longer(most, cell(row[i], column.type)), "");
    return Math.min(Math.max(wanted(column, longest), 88), 420);
  });
}

const longer = (a: string, b: string) => (b.length > a.length ? b : a);

/** Letters beyond which nobody measures. */
const MEASURED = 300;

/** How wide a column has to be for its head, and for one of its values. */
function wanted(column: Column | undefined, value: string): number {
  const head = Math.max(textWidth((column?.name ?? "").slice(0, MEASURED), "600 13px"), textWidth(column?.type ?? "", "11px")) + 16;
  return Math.ceil(Math.max(head, textWidth(value.slice(0, MEASURED), "13px")) + 24);
}

/** Rows that a column is fitted to at most. */
const FITTED = 2_000;

/** Finds the width at which all of a column's values can be read. */
function fit(source: RowSource, at: number): number {
  const column = source.columns[at];
  let longest = "";
  for (let i = 0; column && i < Math.min(loadedOf(source), FITTED); i += 1) longest = longer(longest, cell(source.row(i)?.[at], column.type));
  return within(wanted(column, longest));
}

/** Rows beyond which scrolling flies by: what is passed over is not asked for. */
const FAR = 1_000;

/** Where the heads are, above the first row. */
const HEADS = -1;

/** A column whose values can be chosen, as those of a chart. */
interface Pick {
  column: number;
  value(row: Row): string | null;
  act: Picks;
}

export function Grid({ source: given, label = w.grid.label, pick }: { source: RowSource; label?: string; pick?: Pick }) {
  const { source, order, setOrder, among } = useOrdered(given);
  const { box, first, last, shift, reveal } = useLines(source.count);
  const id = useId();
  const [at, setAt] = useState<Place>({ row: 0, column: 0 });
  // What is chosen lies between this place and where one is.
  const [anchor, setAnchor] = useState<Place | null>(null);
  const [whole, setWhole] = useState<{ text: string; name: string } | null>(null);
  const [profiled, setProfiled] = useState<number | null>(null);
  const [told, setTold] = useState("");
  // Widths that somebody chose, by place and name: another question has others.
  const [chosen, setChosen] = useState<Record<string, number>>({});
  const keyOf = (i: number) => `${i} ${given.columns[i]?.name}`;
  const resize = (i: number, width: number) => setChosen((now) => ({ ...now, [keyOf(i)]: width }));
  const guessed = useMemo(() => widths(given), [given]);
  const sizes = useMemo(() => guessed.map((size, i) => chosen[keyOf(i)] ?? size), [guessed, chosen]);
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
    // What did not come is asked for again when somebody says so, or scrolls on.
    if (source.lost && asked.current === first) return;
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
  /** Chooses a row's value; whether there is one. */
  const choosing = (row: number): boolean => {
    const values = source.row(row);
    const value = values && pick?.value(values);
    if (!pick || !values || value === null || value === undefined) return false;
    const name = cell(values[pick.column], source.columns[pick.column]?.type ?? "text");
    setTold(pick.act(value) === "cleared" ? w.chart.unfiltered : w.chart.filtered(name));
    return true;
  };
  const unchoosing = (): boolean => {
    if (pick?.act(null) !== "cleared") return false;
    setTold(w.chart.unfiltered);
    return true;
  };
  const area = between(at, anchor ?? at);
  const end: Place = { row: source.count - 1, column: source.columns.length - 1 };
  const move = (row: number, column: number, extend = false) => {
    const to = { row: Math.max(extend ? 0 : HEADS, Math.min(end.row, row)), column: Math.max(0, Math.min(end.column, column)) };
    setAnchor(extend ? (anchor ?? { row: Math.max(0, at.row), column: at.column }) : null);
    setAt(to);
    if (to.row >= 0) reveal(to.row);
    columns.scrollToIndex(to.column);
  };
  const choose = (from: Place, to: Place) => {
    setAt(from);
    setAnchor(to);
  };
  const copyChosen = () => {
    if (at.row === HEADS && !anchor) return void copy(source.columns[at.column]?.name ?? "");
    const { text, rows, missing } = asText(source.columns, source.row, { ...area, top: Math.max(0, area.top) });
    void copy(text, rows + missing > 1 ? w.grid.copied(count(rows), missing > 0 ? count(missing) : null) : undefined);
  };
  const sort = (column: number) => {
    setOrder(pressed(order, column));
    setAnchor(null);
    setAt({ row: HEADS, column });
    box.current?.focus({ preventScroll: true });
  };
  /** What keys do besides moving; whether there was anything to do. */
  const acts = (event: React.KeyboardEvent): boolean => {
    const control = event.ctrlKey || event.metaKey;
    const onHead = at.row === HEADS;
    if (event.key === "Enter") {
      if (onHead) sort(at.column);
      else if (pick?.column !== at.column || !choosing(at.row)) open(at.row, at.column);
    }
    else if (control && event.key === "c") copyChosen();
    else if (control && event.key === "a") choose({ row: 0, column: 0 }, end);
    else if (event.key === " " && event.shiftKey) choose({ row: Math.max(0, at.row), column: 0 }, { row: Math.max(0, at.row), column: end.column });
    else if (event.key === " " && control) choose({ row: 0, column: at.column }, { row: end.row, column: at.column });
    else if (event.key === " " && onHead) setProfiled(at.column);
    else if (event.altKey && onHead && event.key === "ArrowRight") resize(at.column, within((sizes[at.column] ?? 0) + 16));
    else if (event.altKey && onHead && event.key === "ArrowLeft") resize(at.column, within((sizes[at.column] ?? 0) - 16));
    else if (event.key === "Escape" && anchor) setAnchor(null);
    else if (event.key === "Escape") return unchoosing();
    else return false;
    return true;
  };
  const keys = (event: React.KeyboardEvent) => {
    if (acts(event)) return event.preventDefault();
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
    const step = event.altKey ? undefined : steps[event.key];
    if (!step) return;
    // A page up from the first rows ends at the first row; only a single step goes to the heads.
    const row = at.row + step[0];
    move(row < 0 && event.key !== "ArrowUp" && at.row !== HEADS ? 0 : row, at.column + step[1], event.shiftKey);
    event.preventDefault();
  };
  const press = (event: React.PointerEvent, to: Place) => {
    if (event.button !== 0) return;
    if (event.shiftKey) setAnchor(anchor ?? { row: Math.max(0, at.row), column: at.column });
    else setAnchor(null);
    setAt(to);
  };
  const drag = (event: React.PointerEvent, to: Place) => {
    if (event.buttons !== 1 || event.pointerType === "touch") return;
    setAnchor(anchor ?? at);
    setAt(to);
  };
  const drawn = ((at.row >= first && at.row <= last) || at.row === HEADS) && columns.getVirtualItems().some((item) => item.index === at.column);
  const width = columns.getTotalSize();
  return (
    <>
      <div
        className="grid"
        role="grid"
        aria-label={label}
        aria-rowcount={source.count + 1}
        aria-colcount={source.columns.length}
        aria-multiselectable="true"
        aria-describedby={`${id}keys`}
        aria-activedescendant={drawn ? `${id}${at.row}-${at.column}` : undefined}
        // biome-ignore lint: a grid is moved in by keys
        tabIndex={0}
        ref={box}
        onKeyDown={keys}
      >
        <div style={{ height: heightOf(source.count), width, position: "relative" }}>
          <div className="heads" role="row" aria-rowindex={1} style={{ width }}>
            {columns.getVirtualItems().map((item) => (
              <Head
                key={item.key}
                item={item}
                id={`${id}${HEADS}-${item.index}`}
                column={source.columns[item.index]}
                on={at.row === HEADS && at.column === item.index}
                order={order}
                onSort={() => sort(item.index)}
                onProfile={() => setProfiled(item.index)}
                onWidth={(width) => resize(item.index, width)}
                onFit={() => resize(item.index, fit(source, item.index))}
              />
            ))}
          </div>
          {Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i).map((line) => {
            const row = source.row(line);
            return (
              <div key={line} className="line" role="row" aria-rowindex={line + 2} style={{ top: HEAD + line * LINE + shift, width }}>
                {/* biome-ignore lint: keys are handled by the grid */}
                <div className="cell nr" role="rowheader" style={{ left: 0, width: numberWidth }} onClick={(event) => choose({ row: line, column: 0 }, { row: event.shiftKey ? (anchor ?? at).row : line, column: end.column })}>
                  {count(line + 1)}
                </div>
                {columns.getVirtualItems().map((item) => {
                  const column = source.columns[item.index];
                  const value = row?.[item.index];
                  const on = at.row === line && at.column === item.index;
                  const within = holds(area, line, item.index);
                  const picks = pick?.column === item.index && value !== null && value !== undefined;
                  const kind = `cell${picks ? " picks" : ""}${column && isNumber(column.type) ? " n" : ""}${value === null ? " null" : ""}${on ? " on" : within ? " in" : ""}`;
                  return (
                    // biome-ignore lint: keys are handled by the grid
                    <div
                      key={item.key}
                      id={`${id}${line}-${item.index}`}
                      role="gridcell"
                      aria-colindex={item.index + 1}
                      aria-selected={within}
                      title={typeof value === "string" && isZoned(column?.type ?? "") ? value : undefined}
                      className={kind}
                      style={{ left: item.start, width: item.size }}
                      onPointerDown={(event) => press(event, { row: line, column: item.index })}
                      onPointerEnter={(event) => drag(event, { row: line, column: item.index })}
                      onClick={(event) => picks && !anchor && !event.shiftKey && choosing(line)}
                      onDoubleClick={() => !picks && open(line, item.index)}
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
      <span id={`${id}keys`} className="hidden">
        {pick ? `${w.grid.keys} ${w.grid.keysPick(source.columns[pick.column]?.name ?? "")}` : w.grid.keys}
      </span>
      {pick && (
        <span className="hidden" aria-live="polite">
          {told}
        </span>
      )}
      {source.lost && <Trouble error={source.lost} retry={() => source.need?.(first, Math.max(first, last))} />}
      {(among !== null || given.order?.busy) && (
        <p className="subtitle" role="status">
          {given.order?.busy ? w.grid.sorting : w.grid.sortedAmong(count(among ?? 0), count(given.count))}
          {given.order?.failed && !given.order.busy && ` ${w.grid.cannotAsk(given.order.failed)}`}
        </p>
      )}
      {profiled !== null && (
        <ColumnProfile source={given} column={profiled} order={order} onOrder={setOrder} onFit={() => resize(profiled, fit(source, profiled))} onClose={() => setProfiled(null)} />
      )}
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
