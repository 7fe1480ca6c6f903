/** From rows to what the drawing library takes. Text of the data stays text: nothing here makes markup. */

import { compact, count, isNumber } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { bins, type ChartSpec, numeric, PALETTE, PALETTE_DARK, placeText, table } from "./spec";

/** The colours of the page at this moment. */
export interface Look {
  dark: boolean;
  ink: string;
  quiet: string;
  line: string;
  sheet: string;
}

type Option = Record<string, unknown>;

const exact = new Intl.NumberFormat(undefined, { maximumFractionDigits: 6 });

function base(look: Look): Option {
  return {
    color: look.dark ? PALETTE_DARK : PALETTE,
    animation: false,
    textStyle: { color: look.ink, fontFamily: "system-ui, sans-serif" },
    grid: { left: 8, right: 16, top: 36, bottom: 8, outerBoundsMode: "same", containLabel: true },
    legend: { type: "scroll", top: 4, textStyle: { color: look.quiet }, icon: "roundRect", itemWidth: 12, itemHeight: 8 },
    // As drawn text, not as HTML: what stands in it comes from the data.
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: look.sheet,
      borderColor: look.line,
      textStyle: { color: look.ink, fontSize: 12 },
      valueFormatter: (value: unknown) => (typeof value === "number" ? exact.format(value) : String(value ?? "∅")),
    },
  };
}

const axisLook = (look: Look) => ({
  axisLine: { lineStyle: { color: look.line } },
  axisTick: { show: false },
  axisLabel: { color: look.quiet, hideOverlap: true, fontSize: 11 },
  splitLine: { lineStyle: { color: look.line, opacity: 0.6 } },
});

const valueAxis = (look: Look) => ({ type: "value", ...axisLook(look), axisLabel: { color: look.quiet, fontSize: 11, formatter: (value: number) => compact(value) } });

/** Few places are all named, as far as there is room; of many, those that do not touch. */
function placesAxis(data: string[], look: Look): Option {
  const usual = axisLook(look);
  const few = data.length <= 12;
  const label = few ? { ...usual.axisLabel, hideOverlap: false, interval: 0, width: Math.round(480 / Math.max(1, data.length)), overflow: "truncate" } : usual.axisLabel;
  return { type: "category", data, ...usual, axisLabel: label };
}

function alongAxis(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places, series } = table(spec, columns, rows);
  const kind = spec.kind === "bar" ? "bar" : "line";
  const many = series.length > 1;
  return {
    ...base(look),
    tooltip: { ...(base(look).tooltip as Option), trigger: "axis", axisPointer: { type: kind === "bar" ? "shadow" : "line" } },
    legend: { ...(base(look).legend as Option), show: many },
    grid: { left: 8, right: 20, top: many ? 36 : 14, bottom: 8, containLabel: true },
    xAxis: { ...placesAxis(places.map((place) => placeText(place, type)), look), boundaryGap: kind === "bar" },
    yAxis: valueAxis(look),
    series: series.map((one) => ({
      name: one.name,
      type: kind,
      data: one.values,
      stack: spec.stacked ? "all" : undefined,
      areaStyle: spec.kind === "area" ? { opacity: 0.25 } : undefined,
      symbol: places.length > 60 ? "none" : "circle",
      symbolSize: 5,
      barMaxWidth: 48,
      connectNulls: false,
      sampling: kind === "line" ? "lttb" : undefined,
      large: kind === "bar" && places.length > 2000,
      emphasis: { focus: "series" },
    })),
  };
}

function scatter(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option | null {
  const x = columns.findIndex((column) => column.name === spec.x);
  const y = columns.findIndex((column) => column.name === spec.y?.[0]);
  const split = columns.findIndex((column) => column.name === spec.series);
  if (x < 0 || y < 0) return null;
  const numbers = isNumber(columns[x]?.type ?? "");
  const groups = new Map<string, unknown[][]>();
  for (const row of rows) {
    const name = split >= 0 ? String(row[split] ?? "∅") : (spec.y?.[0] ?? "");
    const value = numeric(row[y]);
    if (value === null) continue;
    const group = groups.get(name) ?? [];
    group.push([numbers ? numeric(row[x]) : placeText(row[x], columns[x]?.type ?? ""), value]);
    groups.set(name, group);
  }
  return {
    ...base(look),
    legend: { ...(base(look).legend as Option), show: groups.size > 1 },
    xAxis: numbers ? { ...valueAxis(look), scale: true, name: spec.x } : { type: "category", ...axisLook(look) },
    yAxis: { ...valueAxis(look), scale: true },
    series: [...groups].map(([name, data]) => ({ name, type: "scatter", data, symbolSize: 6, large: data.length > 2000 })),
  };
}

function slices(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places, series } = table({ ...spec, series: undefined, y: spec.y?.slice(0, 1) }, columns, rows);
  const all = places.map((place, i) => ({ name: placeText(place, type), value: series[0]?.values[i] ?? 0 })).filter((part) => part.value > 0);
  if (spec.kind === "funnel") {
    const first = all[0]?.value ?? 0;
    return {
      ...base(look),
      legend: { show: false },
      series: [
        {
          type: "funnel",
          sort: "none",
          left: "4%",
          width: "60%",
          top: 12,
          bottom: 12,
          gap: 3,
          minSize: "2%",
          data: all,
          label: {
            position: "right",
            color: look.ink,
            formatter: (part: { name: string; value: number }) => `${part.name}  ${count(part.value)}  (${first > 0 ? Math.round((part.value / first) * 1000) / 10 : 0} %)`,
          },
        },
      ],
    };
  }
  const sorted = [...all].sort((a, b) => b.value - a.value);
  const rest = sorted.slice(9).reduce((sum, part) => sum + part.value, 0);
  const data = rest > 0 ? [...sorted.slice(0, 9), { name: "…", value: rest }] : sorted;
  return {
    ...base(look),
    legend: { show: false },
    series: [{ type: "pie", radius: ["45%", "75%"], data, label: { color: look.ink, formatter: "{b}  {d} %" }, itemStyle: { borderColor: look.sheet, borderWidth: 1 } }],
  };
}

function heat(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places, series } = table(spec, columns, rows);
  const data = series.flatMap((one, y) => one.values.map((value, x) => [x, y, value ?? "-"]));
  const values = series.flatMap((one) => one.values).filter((value) => value !== null);
  return {
    ...base(look),
    legend: { show: false },
    grid: { left: 8, right: 16, top: 12, bottom: 44, containLabel: true },
    xAxis: { type: "category", data: places.map((place) => placeText(place, type)), ...axisLook(look) },
    yAxis: { type: "category", data: series.map((one) => one.name), ...axisLook(look) },
    visualMap: {
      min: values.reduce((a, b) => Math.min(a, b), 0),
      max: values.reduce((a, b) => Math.max(a, b), 1),
      orient: "horizontal",
      left: "center",
      bottom: 4,
      itemHeight: 120,
      itemWidth: 10,
      textStyle: { color: look.quiet },
      inRange: { color: look.dark ? ["#16323a", "#56B4E9", "#f5f7c8"] : ["#f0f6fa", "#56B4E9", "#00395c"] },
    },
    series: [{ type: "heatmap", data, itemStyle: { borderColor: look.sheet, borderWidth: 1 } }],
  };
}

function histogram(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option | null {
  const y = columns.findIndex((column) => column.name === spec.y?.[0]);
  if (y < 0) return null;
  const found = bins(rows.map((row) => numeric(row[y])).filter((value) => value !== null));
  return {
    ...base(look),
    legend: { show: false },
    grid: { left: 8, right: 16, top: 14, bottom: 8, containLabel: true },
    xAxis: { type: "category", data: found.map((bin) => `${exact.format(bin.from)} – ${exact.format(bin.to)}`), ...axisLook(look) },
    yAxis: valueAxis(look),
    series: [{ name: spec.y?.[0], type: "bar", barCategoryGap: "2%", data: found.map((bin) => bin.count) }],
  };
}

/** Returns what to draw; null where the columns do not make such a chart. */
export function options(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option | null {
  if (!spec.y?.length) return null;
  switch (spec.kind) {
    case "line":
    case "bar":
    case "area":
      return alongAxis(spec, columns, rows, look);
    case "scatter":
      return scatter(spec, columns, rows, look);
    case "pie":
    case "funnel":
      return slices(spec, columns, rows, look);
    case "heatmap":
      return heat(spec, columns, rows, look);
    case "histogram":
      return histogram(spec, columns, rows, look);
    default:
      return null;
  }
}
