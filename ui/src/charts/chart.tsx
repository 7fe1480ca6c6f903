/** A chart of an answer, of any kind, with what chooses it. */

import { Component, lazy, type ReactNode, Suspense, useMemo, useRef } from "react";
import { Badge, Choice, Empty, Field, Menu, Waiting } from "../parts/basics";
import { Grid, inMemory } from "../parts/grid";
import { cell, compact, count, isNumber } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { words as w } from "../words";
import { csv, shown } from "./data";
import { headline } from "./headline";
import { flows, globeColumns, MOST_BOXES } from "./kinds";
import { timeFacts } from "./options";
import { type Picks, told } from "./pick";
import { saveCsv, savePng, saveSvg } from "./picture";
import { boundless, type ChartKind, type ChartSpec, fitted, KINDS, mostSeries, numeric, placeText, table, valuesOf } from "./spec";

const load = () => import("./engine");
const Engine = lazy(load);

/** Fetches the drawing library before the first answer is there. */
export const expectCharts = () => void load();

/** A drawing that fails leaves the page as it is. */
class Fence extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override render() {
    return this.state.failed ? <Cannot /> : this.props.children;
  }
}

function Cannot() {
  return (
    <div className="message">
      <Empty title={w.chart.cannot}>{w.chart.cannotHint}</Empty>
    </div>
  );
}

function BigNumber({ spec, columns, rows, at }: { spec: ChartSpec; columns: Column[]; rows: Row[]; at: number }) {
  const made = useMemo(() => headline(spec, columns, rows, at), [spec, columns, rows, at]);
  const column = columns.find((one) => one.name === spec.y?.[0]);
  if (!made || !column) return <Cannot />;
  const { value, before, change, time, open } = made;
  return (
    <div className="bignumber">
      <b className={cell(value, column.type).length > 14 ? "long" : undefined}>{cell(value, column.type)}</b>
      <span className="quiet">
        {column.name}
        {time && ` · ${placeText(time.place, time.column.type)}`}
      </span>
      {change !== null && (
        // What is missing of a period that is not over is no fall: it has no colour.
        <span className={open || change === 0 ? "quiet" : change > 0 ? "up" : "down"}>
          {change === 0 ? "=" : change > 0 ? "▲" : "▼"} {share(Math.abs(change))} · {w.chart.previous(cell(before, column.type))}
        </span>
      )}
      {open && <span className="unfinished">{w.chart.unfinishedOne}</span>}
    </div>
  );
}

function Pivot({ spec, columns, rows, onPick }: { spec: ChartSpec; columns: Column[]; rows: Row[]; onPick?: Picks }) {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places, series } = useMemo(() => table(spec, columns, rows), [spec, columns, rows]);
  const source = useMemo(() => {
    const heads = [{ name: spec.x ?? "", type: "text" }, ...series.map((one) => ({ name: one.name, type: "numeric" })), { name: "Σ", type: "numeric" }];
    const lines = places.map((place, i) => {
      const values = series.map((one) => one.values[i] ?? null);
      return [placeText(place, type), ...values, values.reduce<number | null>((sum, value) => (value === null ? sum : (sum ?? 0) + value), null)];
    });
    return inMemory(heads, lines);
  }, [spec.x, series, places, type]);
  return <Grid source={source} label={w.chart.kinds.pivot} pick={onPick && { column: 0, value: (row) => told(places.find((place) => placeText(place, type) === row[0])), act: onPick }} />;
}

interface ChartProps {
  spec: ChartSpec;
  columns: Column[];
  rows: Row[];
  title: string;
  /** How many rows there are, where not all of them are here. */
  all?: number;
  /** When the answer was made; now when left out. */
  at?: string;
  /** Told the value that was chosen, as the data has it. */
  onPick?: Picks;
  /** The column whose values a table gives to choose from; that of the axis when left out. */
  pickColumn?: string;
}

export function Chart({ spec, columns, rows, title, all, at, onPick, pickColumn }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const asOf = useMemo(() => (at ? Date.parse(at) : Date.now()), [at, rows]);
  const used = useMemo(() => fitted(spec, columns, rows), [spec, columns, rows]);
  const source = useMemo(() => inMemory(columns, rows), [columns, rows]);
  if (rows.length === 0) {
    return (
      <div className="message">
        <Empty title={w.ask.noRows} />
      </div>
    );
  }
  if (used.kind === "table") {
    const column = columns.findIndex((one) => one.name === pickColumn);
    const at = column >= 0 ? column : columns.findIndex((one) => one.name === used.x);
    return <Grid source={source} label={title} pick={onPick && at >= 0 ? { column: at, value: (row) => told(row[at]), act: onPick } : undefined} />;
  }
  const facts = timeFacts(used, columns, rows, asOf);
  const cut = all !== undefined && all > rows.length && <Badge look="warn">{w.chart.cut(count(rows.length), count(all))}</Badge>;
  const drawing = !["number", "pivot"].includes(used.kind);
  let drawn: ReactNode;
  if (used.kind === "number") drawn = <BigNumber spec={used} columns={columns} rows={rows} at={asOf} />;
  else if (used.kind === "pivot") drawn = <Pivot spec={used} columns={columns} rows={rows} onPick={onPick} />;
  else if (!used.y?.length || (used.kind === "map" && !canMap(used, columns)) || (used.kind === "sankey" && !flows(used, columns, rows))) drawn = <Cannot />;
  else if (drawing && !hasValues(used, columns, rows))
    drawn = (
      <div className="message">
        <Empty title={w.chart.nothing(used.y.join(", "))}>{POSITIVE.has(used.kind) ? w.chart.nothingPositive : w.chart.nothingHint}</Empty>
      </div>
    );
  else
    drawn = (
      <div className="chart" ref={box}>
        <div className="picture">
          <Menu
            label="⋯"
            name={`${w.chart.save}: ${title}`}
            look="plain"
            items={[
              { text: w.chart.downloadSvg, act: () => box.current && saveSvg(box.current, title) },
              { text: w.chart.downloadPng, act: () => box.current && void savePng(box.current, title) },
              { text: w.chartData.download, hint: w.chartData.hint, act: () => saveCsv(csv(shown(used, columns, rows, asOf)), title) },
            ]}
          />
        </div>
        <Fence key={JSON.stringify(used)}>
          <Suspense fallback={<Waiting />}>
            <Engine spec={used} columns={columns} rows={rows} title={title} at={asOf} onPick={onPick} />
          </Suspense>
        </Fence>
      </div>
    );
  return (
    <>
      {drawn}
      {facts.period && (
        <p className="subtitle">
          {w.chart.per(w.builder.grains[facts.period] ?? facts.period)}
          {facts.zone && ` · ${facts.zone}`}
          {facts.open && <span className="open"> · {w.chart.unfinished}</span>}
        </p>
      )}
      {used.series && !["sankey", "map"].includes(used.kind) && <ManySeries spec={used} columns={columns} rows={rows} />}
      {used.kind === "box" && <ManyBoxes spec={used} columns={columns} rows={rows} />}
      {used.kind !== "number" && <Boundless spec={used} columns={columns} rows={rows} />}
      {cut}
    </>
  );
}

/** Says that not all groups have a box. */
function ManyBoxes({ spec, columns, rows }: { spec: ChartSpec; columns: Column[]; rows: Row[] }) {
  const x = columns.findIndex((column) => column.name === spec.x);
  const groups = useMemo(() => new Set(rows.map((row) => row[x])).size, [rows, x]);
  return groups > MOST_BOXES && <Badge look="warn">{w.chart.cutGroups(count(MOST_BOXES), count(groups))}</Badge>;
}

/** Says that not all series are drawn. */
function ManySeries({ spec, columns, rows }: { spec: ChartSpec; columns: Column[]; rows: Row[] }) {
  const all = useMemo(() => valuesOf(spec.series ?? "", columns, rows) * (spec.kind === "scatter" ? 1 : (spec.y?.length ?? 1)), [spec, columns, rows]);
  const most = mostSeries(spec.kind);
  return all > most && <Badge look="warn">{w.chart.cutSeries(count(most), count(all))}</Badge>;
}

/** Says that values are left out because they are NaN or infinite. */
function Boundless({ spec, columns, rows }: { spec: ChartSpec; columns: Column[]; rows: Row[] }) {
  const found = useMemo(() => boundless(spec, columns, rows), [spec, columns, rows]);
  return found > 0 && <Badge look="warn">{w.chart.boundless(count(found), spec.kind === "pivot")}</Badge>;
}

/** Kinds that show parts of a whole: nothing is no part, and less than nothing is none either. */
const POSITIVE = new Set<ChartKind>(["pie", "funnel", "sankey"]);

/** Whether there is any number to draw. */
function hasValues(spec: ChartSpec, columns: Column[], rows: Row[]): boolean {
  // Points on a map need none.
  if (spec.kind === "map" && globeColumns(columns)) return true;
  const at = (spec.y ?? []).map((name) => columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
  return rows.some((row) => at.some((i) => {
    const value = numeric(row[i]);
    return value !== null && (value > 0 || !POSITIVE.has(spec.kind));
  }));
}

const share = (change: number) => (change < 10_000 ? `${(change * 100).toFixed(1)} %` : `${compact(change * 100)} %`);

const canMap = (spec: ChartSpec, columns: Column[]) => globeColumns(columns) !== null || (spec.x !== undefined && !isNumber(columns.find((column) => column.name === spec.x)?.type ?? ""));

/** What kind of chart, and of which columns. */
export function ChartChoice({ spec, columns, rows, onChange }: { spec: ChartSpec; columns: Column[]; rows: Row[]; onChange(spec: ChartSpec): void }) {
  const used = fitted(spec, columns, rows);
  const names = columns.map((column) => [column.name, column.name] as const);
  const numbers = columns.filter((column) => isNumber(column.type)).map((column) => [column.name, column.name] as const);
  const change = (part: Partial<ChartSpec>) => onChange({ ...used, ...part });
  const kinds = KINDS.map((kind) => [kind, w.chart.kinds[kind]] as const);
  const plain = used.kind === "table" || used.kind === "number" || used.kind === "histogram";
  return (
    <div className="chartbar">
      <Field label={w.chart.kind}>
        <Choice<ChartKind> value={used.kind} options={kinds} onChange={(kind) => change({ kind })} />
      </Field>
      {!plain && (
        <Field label={w.chart.x}>
          <Choice value={used.x ?? ""} options={names} onChange={(x) => change({ x })} />
        </Field>
      )}
      {used.kind !== "table" && (
        <Field label={w.chart.y}>
          <Choice value={used.y?.join("\0") ?? ""} options={choices(numbers, used)} onChange={(y) => change({ y: y.split("\0").filter(Boolean) })} />
        </Field>
      )}
      {!plain && !["pie", "funnel", "box", "map"].includes(used.kind) && (
        <Field label={used.kind === "sankey" ? w.chart.target : w.chart.series}>
          <Choice value={used.series ?? ""} options={[["", w.chart.none], ...names]} onChange={(series) => change({ series: series || undefined })} />
        </Field>
      )}
      {(used.kind === "bar" || used.kind === "area") && (
        <label className="check">
          <input type="checkbox" checked={used.stacked ?? false} onChange={(event) => change({ stacked: event.target.checked })} />
          {w.chart.stacked}
        </label>
      )}
    </div>
  );
}

/** Names columns, as long as they can be read. */
const listed = (names: string[]) => (names.length > 4 ? w.chart.several(count(names.length)) : names.join(", "));

/** Each column of numbers alone, all of them, and what is chosen now. */
function choices(numbers: (readonly [string, string])[], used: ChartSpec): (readonly [string, string])[] {
  const found = [...numbers];
  const all = numbers.map(([name]) => name);
  if (all.length > 1) found.push([all.join("\0"), listed(all)]);
  const now = used.y?.join("\0") ?? "";
  if (!found.some(([name]) => name === now)) found.push([now, listed(used.y ?? [])]);
  return found;
}
