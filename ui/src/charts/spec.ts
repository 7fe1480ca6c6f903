/** What a chart is, and which one fits an answer. */

import { isBoundless, isNumber, isTime, momentIn } from "../lib/format";
import type { Cell, Column, Row } from "../lib/rows";
import { zone } from "../lib/zone";
import { instantOf, isZoned } from "./time";

export const KINDS = ["table", "line", "bar", "area", "scatter", "pie", "number", "heatmap", "histogram", "box", "pivot", "funnel", "sankey", "map"] as const;

export type ChartKind = (typeof KINDS)[number];

export interface ChartSpec {
  kind: ChartKind;
  /** The column along the axis, the slices, the steps. */
  x?: string;
  /** The columns of values. */
  y?: string[];
  /** The column whose values make a series each. */
  series?: string;
  stacked?: boolean;
}

/** Series that are drawn at most, the largest of them: each more takes its own room at every place. */
export const mostSeries = (kind: ChartKind): number => (kind === "pivot" ? 1_000 : kind === "heatmap" ? 200 : 50);

/** Series that are chosen by themselves at most. */
const FEW_SERIES = 30;

/** Chooses what a person would most likely choose. */
export function suggest(columns: Column[], rows: Row[]): ChartSpec {
  const numbers = columns.filter((column) => isNumber(column.type));
  const times = columns.filter((column) => isTime(column.type));
  const words = columns.filter((column) => !isNumber(column.type) && !isTime(column.type));
  const y = comparable(numbers, columns, rows).slice(0, 3);
  if (rows.length === 1 && numbers.length >= 1 && columns.length <= 2) return { kind: "number", y: y.slice(0, 1) };
  if (numbers.length === 0 || rows.length < 2) return { kind: "table" };
  const [time] = times;
  const [word] = words;
  if (time) {
    // A name for each row, such as an id, is no series: nobody reads a thousand lines.
    const series = words.length === 1 && word && valuesOf(word.name, columns, rows) <= FEW_SERIES ? word.name : undefined;
    // Several rows at one moment are a list of what happened: a line would add them up.
    if (repeats([time.name, series], columns, rows)) return { kind: "table" };
    return series ? { kind: "line", x: time.name, y: y.slice(0, 1), series } : { kind: "line", x: time.name, y };
  }
  if (words.length === 2 && numbers.length === 1 && valuesOf(words[1]?.name ?? "", columns, rows) <= FEW_SERIES) {
    return { kind: "bar", x: words[0]?.name, series: words[1]?.name, y: y.slice(0, 1), stacked: true };
  }
  if (word) return { kind: "bar", x: word.name, y: words.length > 1 ? y.slice(0, 1) : y };
  if (numbers.length === 1) return { kind: "histogram", y };
  return { kind: "scatter", x: numbers[0]?.name, y: [numbers[1]?.name ?? ""] };
}

/** How many values a column has, each counted once. */
export const valuesOf = (name: string, columns: Column[], rows: Row[]): number => {
  const at = columns.findIndex((column) => column.name === name);
  return new Set(rows.map((row) => row[at])).size;
};

/** Whether the same values of columns stand in more than one row. */
function repeats(names: (string | undefined)[], columns: Column[], rows: Row[]): boolean {
  const at = names.filter((name) => name !== undefined).map((name) => columns.findIndex((column) => column.name === name));
  return new Set(rows.map((row) => JSON.stringify(at.map((i) => row[i])))).size < rows.length;
}

/** How many times larger the largest of one measure may be than another's on the same axis. */
const APART = 100;

/** Returns the measures that can be read on one axis with the first: beside a large one, a small one lies flat. */
function comparable(numbers: Column[], columns: Column[], rows: Row[]): string[] {
  const kept: string[] = [];
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const column of numbers) {
    const at = columns.indexOf(column);
    const size = rows.reduce((largest, row) => Math.max(largest, Math.abs(numeric(row[at]) ?? 0)), 0);
    // What is all zero says so on any axis.
    const [low, high] = size > 0 ? [Math.min(least, size), Math.max(most, size)] : [least, most];
    if (kept.length > 0 && high >= APART * low) continue;
    [least, most] = [low, high];
    kept.push(column.name);
  }
  return kept;
}

/** Returns a chart's columns as far as the answer has them; those it needs and lacks are chosen. */
export function fitted(spec: ChartSpec, columns: Column[], rows: Row[]): ChartSpec {
  const has = (name: string | undefined) => name !== undefined && columns.some((column) => column.name === name);
  const y = (spec.y ?? []).filter(has);
  const guess = suggest(columns, rows);
  const numbers = columns.filter((column) => isNumber(column.type)).map((column) => column.name);
  const x = has(spec.x) ? spec.x : (guess.x ?? columns.find((column) => isTime(column.type))?.name ?? columns.find((column) => !y.includes(column.name))?.name);
  return { ...spec, x, y: y.length > 0 ? y : numbers.filter((name) => name !== x).slice(0, 1), series: has(spec.series) ? spec.series : undefined };
}

/** Returns a cell as a number; what is none is null, never 0. */
export function numeric(cell: Cell): number | null {
  if (typeof cell === "number") return Number.isFinite(cell) ? cell : null;
  if (typeof cell === "string" && cell.trim() !== "") {
    const value = Number(cell);
    return Number.isFinite(value) ? value : null;
  }
  return null;
}

/** Counts the values to be drawn that are NaN or infinite: they are left out, as what is missing is. */
export function boundless(spec: ChartSpec, columns: Column[], rows: Row[]): number {
  const drawn = new Set([...(spec.y ?? []), ...(spec.kind === "scatter" ? [spec.x] : [])]);
  const at = columns.flatMap((column, i) => (drawn.has(column.name) && isNumber(column.type) ? [i] : []));
  return rows.reduce((sum, row) => sum + at.filter((i) => isBoundless(row[i])).length, 0);
}

export interface Series {
  name: string;
  values: (number | null)[];
}

export interface Table {
  /** The places along the axis, in the order they came; those of time in time's. */
  places: Cell[];
  series: Series[];
}

/** Returns the names whose values add up to most; null where there are no more than `most` of them. */
export function largest(values: (readonly [name: string, value: number | null])[], most: number): Set<string> | null {
  const sizes = new Map<string, number>();
  for (const [name, value] of values) sizes.set(name, (sizes.get(name) ?? 0) + Math.abs(value ?? 0));
  if (sizes.size <= most) return null;
  return new Set([...sizes].sort(([, a], [, b]) => b - a).slice(0, most).map(([name]) => name));
}

/** Turns rows into one series per value column, or per value of the series column; of very many, the largest. */
export function table(spec: ChartSpec, columns: Column[], rows: Row[]): Table {
  const index = (name: string | undefined) => columns.findIndex((column) => column.name === name);
  const x = index(spec.x);
  const ys = (spec.y ?? []).map(index).filter((i) => i >= 0);
  const split = index(spec.series);
  const places: Cell[] = [];
  const at = new Map<string, number>();
  const series = new Map<string, (number | null)[]>();
  const nameOf = (row: Row, y: number) => {
    const own = split >= 0 ? String(row[split] ?? "∅") : (columns[y]?.name ?? "");
    return split >= 0 && ys.length > 1 ? `${own} · ${columns[y]?.name}` : own;
  };
  const kept = split < 0 ? null : largest(rows.flatMap((row) => ys.map((y) => [nameOf(row, y), numeric(row[y])] as const)), mostSeries(spec.kind));
  const timed = x >= 0 && isTime(columns[x]?.type ?? "");
  const ordered = timed ? [...rows].sort((a, b) => String(a[x]).localeCompare(String(b[x]))) : rows;
  for (const row of ordered) {
    const place = x >= 0 ? row[x] : "";
    const key = JSON.stringify(place) ?? "";
    let i = at.get(key);
    if (i === undefined) {
      i = places.length;
      at.set(key, i);
      places.push(place);
    }
    for (const y of ys) {
      const name = nameOf(row, y);
      if (kept && !kept.has(name)) continue;
      const values = series.get(name) ?? [];
      const value = numeric(row[y]);
      const before = values[i];
      // Several rows at one place add up: a chart that shows the last of them would lie.
      values[i] = value === null ? (before ?? null) : (before ?? 0) + value;
      series.set(name, values);
    }
  }
  const filled = [...series].map(([name, values]) => ({ name, values: places.map((_, i) => values[i] ?? null) }));
  return { places, series: filled };
}

export interface Bin {
  from: number;
  to: number;
  count: number;
}

/** Counts values in intervals of a round width (Sturges' number of them, 40 at most). */
export function bins(values: number[]): Bin[] {
  if (values.length === 0) return [];
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  if (low === high) return [{ from: low, to: high, count: values.length }];
  const wanted = Math.min(40, Math.ceil(Math.log2(values.length) + 1));
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const width = ([1, 2, 5, 10].find((step) => step * power >= rough) ?? 10) * power;
  const start = Math.floor(low / width) * width;
  const number = Math.floor((high - start) / width) + 1;
  const found = Array.from({ length: number }, (_, i) => ({ from: start + i * width, to: start + (i + 1) * width, count: 0 }));
  for (const value of values) {
    const bin = found[Math.min(number - 1, Math.max(0, Math.floor((value - start) / width)))];
    if (bin) bin.count += 1;
  }
  return found;
}

/** Okabe and Ito's colours, told apart by everybody; in a fixed order. */
export const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C00", "#7F7F7F"];
export const PALETTE_DARK = ["#56B4E9", "#F0B93A", "#2FC79B", "#E39CC6", "#8FD0F5", "#F08A4B", "#D9D94A", "#B0B0B0"];

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: zone });

/** Writes a place along an axis. */
export function placeText(place: Cell, type: string): string {
  if (place === null || place === undefined) return "∅";
  const text = typeof place === "object" ? JSON.stringify(place) : String(place);
  if (!isTime(type)) return text;
  const instant = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?)?/.exec(text);
  if (!instant) return text;
  // Moments are told on the viewer's clock.
  if (isZoned(type)) {
    const ms = instantOf(text, type);
    return ms === null ? text : momentIn(ms, zoned);
  }
  const [, date, time, seconds] = instant;
  if (!time || (time === "00:00" && (!seconds || seconds === ":00"))) return date ?? text;
  return `${date} ${time}${seconds && seconds !== ":00" ? seconds : ""}`;
}
