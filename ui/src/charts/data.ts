/** What a chart shows, as rows, and as a file that spreadsheets open. */

import { isBoundless, raw } from "../lib/format";
import type { Cell, Column, Row } from "../lib/rows";
import { boxes, flows, globeColumns, plainName } from "./kinds";
import { bins, type ChartSpec, numeric, table } from "./spec";
import { timeline } from "./time";

export interface Data {
  heads: string[];
  lines: Cell[][];
}

/** Returns the numbers that are drawn: added up, counted and filled up as in the drawing. */
export function shown(spec: ChartSpec, columns: Column[], rows: Row[], at: number): Data {
  const index = (name: string | undefined) => columns.findIndex((column) => column.name === name);
  const y = index(spec.y?.[0]);
  const named = (names: (string | undefined)[]): Data => {
    const wanted = [...new Set(names.map(index).filter((i) => i >= 0))];
    return { heads: wanted.map((i) => columns[i]?.name ?? ""), lines: rows.map((row) => wanted.map((i) => row[i] ?? null)) };
  };
  switch (spec.kind) {
    case "histogram": {
      const found = bins(rows.map((row) => numeric(row[y])).filter((value) => value !== null));
      return { heads: ["from", "to", "count"], lines: found.map((bin) => [bin.from, bin.to, bin.count]) };
    }
    case "box":
      return {
        heads: [spec.x ?? spec.y?.[0] ?? "", "lower_whisker", "lower_quartile", "median", "upper_quartile", "upper_whisker", "beyond"],
        lines: boxes(spec, columns, rows).map((one) => [one.name, ...one.five, one.beyond.join(" ")]),
      };
    case "sankey":
      return { heads: [spec.x ?? "", spec.series ?? "", spec.y?.[0] ?? ""], lines: (flows(spec, columns, rows) ?? []).map((flow) => [flow.source, plainName(flow.target), flow.value]) };
    case "scatter":
      return named([spec.x, ...(spec.y ?? []).slice(0, 1), spec.series]);
    case "map": {
      const where = globeColumns(columns);
      return named(where ? [where.lat, where.lon, spec.y?.[0]] : [spec.x, spec.y?.[0]]);
    }
    case "pie":
    case "funnel": {
      const { places, series } = table({ ...spec, series: undefined, y: spec.y?.slice(0, 1) }, columns, rows);
      return { heads: [spec.x ?? "", spec.y?.[0] ?? ""], lines: places.map((place, i) => [place, series[0]?.values[i] ?? null]) };
    }
    default: {
      const { places: known, series } = table(spec, columns, rows);
      const { places, from } = timeline(known, columns[index(spec.x)]?.type ?? "text", at);
      return { heads: [spec.x ?? "", ...series.map((one) => one.name)], lines: places.map((place, i) => [place, ...series.map((one) => one.values[from[i] ?? -1] ?? null)]) };
    }
  }
}

/** Writes rows as CSV. Text that spreadsheets would take for a formula gets a quote before it: it may come from anybody. */
export function csv({ heads, lines }: Data): string {
  const field = (cell: Cell) => {
    const text = raw(cell);
    const harmless = typeof cell === "string" && /^[=+\-@\t\r]/.test(text) && numeric(cell) === null && !isBoundless(cell) ? `'${text}` : text;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  };
  return [heads, ...lines].map((line) => `${line.map(field).join(",")}\n`).join("");
}
