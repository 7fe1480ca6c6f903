/** What a drawing has to be walked through by keys: its marks, what each says, and which lies beside which. */

import { exact } from "../lib/format";
import { words as w } from "../words";
import { plainName } from "./kinds";
import type { Clicked } from "./pick";
import type { ChartSpec } from "./spec";

export interface Mark extends Clicked {
  /** Which series of the drawing it is of, counted from 0. */
  series: number;
  /** Whether it is a flow between two places. */
  edge?: boolean;
  /** Marks of one lane lie one after the other. */
  lane: number;
  /** Where along its lane. */
  place: number;
  /** How high it stands among the others of its place. */
  height: number;
  /** What it says. */
  text: string;
}

type Drawn = Record<string, unknown>;

interface Line {
  name?: string;
  type: string;
  data: unknown[];
  links?: { source: string; target: string; value: number }[];
  stack?: string;
}

const valueOf = (one: unknown): unknown => (typeof one === "object" && one !== null && "value" in one ? (one as { value: unknown }).value : one);

const said = (value: unknown): string => (typeof value === "number" ? exact(value) : String(value ?? "∅"));

/** A moment on an axis of time has beside it how it is written. */
const placed = (value: unknown[]): string => said(value[2] ?? value[0]);

/** Lists the marks of a drawing, as it was given to the library. `open` says that the last period is not over. */
export function marksOf(spec: ChartSpec, made: Drawn, open = false): Mark[] {
  const lines = (made.series ?? []) as Line[];
  const axis = ((made.xAxis ?? {}) as { data?: string[] }).data ?? [];
  switch (spec.kind) {
    case "line":
    case "bar":
    case "area":
    case "histogram":
      return lines.flatMap((line, lane) =>
        line.data.flatMap((one, i): Mark[] => {
          const value = valueOf(one);
          if (typeof value !== "number") return [];
          const name = axis[i] ?? "";
          const facts = [name, spec.kind === "histogram" ? w.chart.many(exact(value)) : `${line.name ?? ""} ${exact(value)}`];
          if (open && i === axis.length - 1) facts.push(w.chart.unfinishedOne);
          return [{ series: lane, lane, place: i, dataIndex: i, name, value, height: line.stack ? lane : value, text: facts.join(", ") }];
        }),
      );
    case "heatmap": {
      const rows = ((made.yAxis ?? {}) as { data?: string[] }).data ?? [];
      return (lines[0]?.data ?? []).flatMap((one, dataIndex): Mark[] => {
        const value = one as [number, number, number | string];
        if (typeof value[2] !== "number") return [];
        const name = axis[value[0]] ?? "";
        const row = rows[value[1]] ?? "";
        return [{ series: 0, lane: value[1], place: value[0], height: value[1], dataIndex, name, value, text: `${[name, row].filter(Boolean).join(", ")}, ${exact(value[2])}` }];
      });
    }
    case "scatter":
      return lines.flatMap((line, lane) =>
        line.data.map((one, dataIndex): Mark => {
          const value = one as unknown[];
          const along = typeof value[0] === "number" ? value[0] : axis.indexOf(String(value[0]));
          const text = `${lines.length > 1 ? `${line.name}, ` : ""}${spec.x} ${placed(value)}, ${spec.y?.[0]} ${said(value[1])}`;
          return { series: lane, lane, place: along, height: lane, dataIndex, name: "", value, text };
        }),
      );
    case "pie":
    case "funnel": {
      const parts = (lines[0]?.data ?? []) as { name: string; value: number }[];
      const whole = spec.kind === "pie" ? parts.reduce((sum, part) => sum + part.value, 0) : (parts[0]?.value ?? 0);
      return parts.map((part, i) => {
        const share = part.value / whole;
        return { series: 0, lane: 0, place: i, height: 0, dataIndex: i, name: part.name, value: part.value, text: `${part.name}, ${exact(part.value)}${Number.isFinite(share) ? `, ${exact(Math.round(share * 1000) / 10)} %` : ""}` };
      });
    }
    case "box": {
      const beyond = (lines[1]?.data ?? []) as [number, number][];
      return (lines[0]?.data ?? []).map((one, i) => {
        const [low = 0, q1 = 0, middle = 0, q3 = 0, high = 0] = one as number[];
        const far = beyond.filter(([at]) => at === i).length;
        const name = axis[i] ?? "";
        return { series: 0, lane: 0, place: i, height: 0, dataIndex: i, name, value: one, text: `${name}, ${w.chart.box(exact(low), exact(q1), exact(middle), exact(q3), exact(high))}${far > 0 ? `, ${w.chart.beyond(exact(far))}` : ""}` };
      });
    }
    case "sankey": {
      const [line] = lines;
      const links = line?.links ?? [];
      const nodes = (line?.data ?? []) as { name: string }[];
      const through = (name: string) => Math.max(sum(links.filter((link) => link.source === name)), sum(links.filter((link) => link.target === name)));
      return [
        ...nodes.map(({ name }, i): Mark => ({ series: 0, lane: 0, place: i, height: 1, dataIndex: i, name, text: `${plainName(name)}, ${exact(through(name))}` })),
        ...links.map(({ source, target, value }, i): Mark => ({ series: 0, edge: true, lane: 1, place: i, height: 0, dataIndex: i, name: source, text: `${plainName(source)} → ${plainName(target)}, ${exact(value)}` })),
      ];
    }
    case "map": {
      const [line] = lines;
      // The largest first: on a map there is no other order.
      const all = (line?.data ?? []).map((one, dataIndex) => ({ one, dataIndex, size: Number(line?.type === "map" ? valueOf(one) : (one as number[])[2]) }));
      return all
        .sort((a, b) => b.size - a.size)
        .map(({ one, dataIndex, size }, place) => {
          if (line?.type === "map") {
            const { name } = one as { name: string };
            return { series: 0, lane: 0, place, height: 0, dataIndex, name, value: size, text: `${name}, ${exact(size)}` };
          }
          const [lon = 0, lat = 0] = one as number[];
          return { series: 0, lane: 0, place, height: 0, dataIndex, name: "", value: one, text: `${exact(lat)}, ${exact(lon)}: ${exact(size)}` };
        });
    }
    default:
      return [];
  }
}

const sum = (links: { value: number }[]) => links.reduce((all, link) => all + link.value, 0);

/** Marks that a page's key goes past. */
const PAGE = 10;

/** Finds the mark that a key leads to from another, or from none; null for a key that leads nowhere. */
export function walked(marks: Mark[], from: Mark | null, key: string): Mark | null {
  const lanes = new Set(marks.map((mark) => mark.lane)).size;
  // Where there is one lane alone, up and down are along it, too.
  const along = key === "ArrowRight" || (lanes === 1 && key === "ArrowDown") ? 1 : key === "ArrowLeft" || (lanes === 1 && key === "ArrowUp") ? -1 : key === "PageDown" ? PAGE : key === "PageUp" ? -PAGE : 0;
  const across = key === "ArrowUp" ? 1 : key === "ArrowDown" ? -1 : 0;
  const ends = key === "Home" || key === "End";
  if (along === 0 && across === 0 && !ends) return null;
  const lane = laneOf(marks, from?.lane ?? marks[0]?.lane ?? 0);
  if (ends) return (key === "Home" ? lane[0] : lane.at(-1)) ?? null;
  if (!from) return (along < 0 ? lane.at(-1) : lane[0]) ?? null;
  if (along !== 0) return lane[Math.max(0, Math.min(lane.length - 1, lane.indexOf(from) + along))] ?? null;
  // Across: the next one above or below at the same place, else the nearest place of the next lane.
  const here = marks.filter((mark) => mark.place === from.place).sort((a, b) => a.height - b.height || a.lane - b.lane);
  const beside = here[here.indexOf(from) + across];
  if (beside) return beside;
  if (here.length > 1 && here.length === lanes) return from;
  const other = [...new Set(marks.map((mark) => mark.lane))].sort((a, b) => a - b);
  const next = other[other.indexOf(from.lane) + across];
  if (next === undefined || here.some((mark) => mark.lane === next)) return from;
  return laneOf(marks, next).reduce<Mark | null>((best, mark) => (best === null || Math.abs(mark.place - from.place) < Math.abs(best.place - from.place) ? mark : best), null);
}

const laneOf = (marks: Mark[], lane: number) => marks.filter((mark) => mark.lane === lane).sort((a, b) => a.place - b.place || a.dataIndex - b.dataIndex);

/** Finds a mark in a drawing that was made anew, where its value or its place may be another. */
export function sameMark(marks: Mark[], old: Mark): Mark | null {
  const alike = marks.filter((mark) => mark.lane === old.lane && mark.name === old.name);
  return alike.find((mark) => mark.text === old.text) ?? (old.name === "" ? null : (alike[0] ?? null));
}
