/** From rows to what the drawing library takes. Text of the data stays text: nothing here makes markup. */

import { compact, count, exact, isNumber, isTime } from "../lib/format";
import type { Cell, Column, Row } from "../lib/rows";
import { boxes, countryName, flows, globeColumns, plainName } from "./kinds";
import { words as w } from "../words";
import { bins, type ChartSpec, largest, mostSeries, numeric, PALETTE, PALETTE_DARK, placeText, table } from "./spec";
import { named } from "./ends";
import { type Period, periodText, timeline, wallAt } from "./time";

/** The colours of the page at this moment. */
export interface Look {
  dark: boolean;
  ink: string;
  quiet: string;
  line: string;
  sheet: string;
}

type Option = Record<string, unknown>;

/** Letters of a name that has to share its room; the tooltip has all of it. */
const NAME = 28;

/** Cuts a name, and never a letter of it. */
export function cut(name: string, most = NAME): string {
  const letters = [...name];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : name;
}

const told = (value: number) => (Math.abs(value) >= 1e15 ? compact(value) : exact(value));

function base(look: Look): Option {
  return {
    color: look.dark ? PALETTE_DARK : PALETTE,
    animation: false,
    textStyle: { color: look.ink, fontFamily: "system-ui, sans-serif" },
    grid: { left: 8, right: 16, top: 36, bottom: 8, outerBoundsMode: "same", containLabel: true },
    legend: { type: "scroll", top: 4, textStyle: { color: look.quiet }, icon: "roundRect", itemWidth: 12, itemHeight: 8, formatter: (name: string) => cut(name) },
    // As drawn text, not as HTML: what stands in it comes from the data.
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: look.sheet,
      borderColor: look.line,
      textStyle: { color: look.ink, fontSize: 12 },
      valueFormatter: (value: unknown) => (typeof value === "number" ? exact(value) : String(value ?? "∅")),
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

/** How large a drawing is that nobody has measured. */
const USUAL_WIDTH = 640;
const USUAL_HEIGHT = 320;
/** Of the drawing, beside its axis of places. */
const BESIDE = 80;
/** A letter of an axis, about. */
const LETTER = 6.2;
/** Names that are cut shorter than this say nothing. */
const LEAST_NAME = 52;
/** Turned names need as much room as a line of them is high. */
const LEAST_TURNED = 18;

/** Few places are all named: side by side, cut, or turned, whatever there is room for. Of many, and of time, those that do not touch. */
function placesAxis(data: string[], look: Look, width: number, timed = false): Option {
  const usual = axisLook(look);
  const plain = { type: "category", data, ...usual };
  const room = (width - BESIDE) / Math.max(1, data.length);
  const fits = Math.max(0, ...data.map((name) => name.length)) * LETTER <= room - 6;
  const all = { ...usual.axisLabel, hideOverlap: false, interval: 0, overflow: "truncate" };
  if (data.length > 12 || (timed && !fits)) return plain;
  // Two that are cut to the same say nothing of each other.
  const told = new Set(data.map((name) => name.slice(0, Math.floor((room - 6) / LETTER) - 1))).size === new Set(data).size;
  if (fits || (told && room >= LEAST_NAME)) return { ...plain, axisLabel: { ...all, rotate: 0, width: Math.round(room - 6) } };
  return room >= LEAST_TURNED ? { ...plain, axisLabel: { ...all, rotate: 50, width: 96 } } : plain;
}

/** Places beyond which a line's values have no marks. */
const MARKED = 60;

/** Places beyond which a line is thinned to what can be seen. */
const THINNED = 2_000;

/** Series that are named at their ends; more have a legend. */
const NAMED = 5;

/** Of the drawing, above and below its plane. */
const ABOUT = 48;

/** How wide names at the ends of lines are, about; longer ones are cut. */
const widthOf = (names: string[]) => Math.min(140, Math.max(0, ...names.map((name) => name.length)) * 7 + 24);

/** Whether lines are named at their ends, by the application: the library lets names lie over each other. Names leave two thirds to the lines. */
export const direct = (spec: ChartSpec, names: string[], width: number, height: number) =>
  names.length > 1 && spec.kind !== "bar" && names.length <= NAMED && !spec.stacked && 3 * widthOf(names) <= width && named(names.length, height - ABOUT);

function alongAxis(spec: ChartSpec, columns: Column[], rows: Row[], look: Look, at: number, width: number, height: number): Option {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places: known, series } = table(spec, columns, rows);
  const time = timeline(known, type, at);
  const { period, places } = time;
  const kind = spec.kind === "bar" ? "bar" : "line";
  const many = series.length > 1;
  const ends = direct(spec, series.map((one) => one.name), width, height);
  const text = (place: Cell) => (period ? periodText(place, type, period, time.zone, time.years) : placeText(place, type));
  const last = places.length - 1;
  // A period that is not over is pale and dashed: what is missing of it is no fall.
  const pale = (value: number | null, i: number) => (time.open && i === last && kind === "bar" && value !== null ? { value, itemStyle: { opacity: 0.45, borderType: "dashed", borderColor: look.ink, borderWidth: 1 } } : value);
  const valueAt = (values: (number | null)[], i: number) => values[time.from[i] ?? -1] ?? null;
  // A value between gaps is on no line: without a mark it could not be seen.
  const alone = (values: (number | null)[], i: number) => {
    const value = valueAt(values, i);
    return kind === "line" && places.length > MARKED && value !== null && valueAt(values, i - 1) === null && valueAt(values, i + 1) === null ? { value, symbol: "circle" } : null;
  };
  const longest = ends ? widthOf(series.map((one) => one.name)) : 20;
  return {
    ...base(look),
    tooltip: { ...(base(look).tooltip as Option), trigger: "axis", order: spec.stacked ? "seriesDesc" : "valueDesc", axisPointer: { type: kind === "bar" ? "shadow" : "line", animation: false } },
    legend: { ...(base(look).legend as Option), show: many && !ends },
    grid: { left: 8, right: longest, top: many && !ends ? 36 : 14, bottom: 8, containLabel: true },
    xAxis: { ...placesAxis(places.map(text), look, width, isTime(type)), boundaryGap: kind === "bar" },
    yAxis: valueAxis(look),
    series: series.map((one, i) => ({
      name: one.name,
      type: kind,
      data: places.map((_, i) => alone(one.values, i) ?? pale(valueAt(one.values, i), i)),
      stack: spec.stacked ? "all" : undefined,
      areaStyle: spec.kind === "area" ? { opacity: 0.25 } : undefined,
      symbol: places.length > MARKED ? "none" : "circle",
      symbolSize: 5,
      showAllSymbol: places.length > MARKED ? true : "auto",
      barMaxWidth: 48,
      connectNulls: false,
      // A thinned line must not lose what stands between gaps.
      sampling: kind === "line" && places.length > THINNED && !one.values.includes(null) ? "lttb" : undefined,
      large: kind === "bar" && places.length > 2000,
      emphasis: { focus: "series" },
      markArea:
        time.open && kind === "line" && i === 0 && last > 0
          ? { silent: true, itemStyle: { color: look.quiet, opacity: 0.1 }, data: [[{ xAxis: last - 1 }, { xAxis: last }]] }
          : undefined,
    })),
  };
}

/** Says how long periods are, and whether the last is over: what a chart's subtitle tells. */
export function timeFacts(spec: ChartSpec, columns: Column[], rows: Row[], at: number): { period: Period | null; open: boolean; zone: string | null } {
  const none = { period: null, open: false, zone: null };
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  if (!["line", "bar", "area"].includes(spec.kind) || !isTime(type)) return none;
  const { period, open, zone } = timeline(table(spec, columns, rows).places, type, at);
  return { period, open, zone };
}

const said = (value: number | string | undefined) => (typeof value === "number" ? exact(value) : String(value ?? "∅"));

function scatter(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option | null {
  const x = columns.findIndex((column) => column.name === spec.x);
  const y = columns.findIndex((column) => column.name === spec.y?.[0]);
  const split = columns.findIndex((column) => column.name === spec.series);
  if (x < 0 || y < 0) return null;
  const type = columns[x]?.type ?? "";
  const [numbers, timed] = [isNumber(type), isTime(type)];
  const placed = (row: Row) => (numbers ? numeric(row[x]) : timed ? wallAt(row[x], type) : placeText(row[x], type));
  const groups = new Map<string, unknown[][]>();
  const nameOf = (row: Row) => (split >= 0 ? String(row[split] ?? "∅") : (spec.y?.[0] ?? ""));
  const kept = largest(rows.map((row) => [nameOf(row), 1] as const), mostSeries(spec.kind));
  for (const row of rows) {
    const own = nameOf(row);
    const name = kept === null || kept.has(own) ? own : w.chart.otherSeries;
    const value = numeric(row[y]);
    const place = placed(row);
    if (value === null || place === null) continue;
    const group = groups.get(name) ?? [];
    // The third is what the tooltip says of the first.
    group.push(timed ? [place, value, placeText(row[x], type)] : [place, value]);
    groups.set(name, group);
  }
  return {
    ...base(look),
    // Times are written by the clock that the data was put on.
    useUTC: true,
    tooltip: {
      ...(base(look).tooltip as Option),
      formatter: ({ seriesName, value }: { seriesName: string; value: (number | string)[] }) => [groups.size > 1 ? seriesName : "", `${spec.x}: ${said(value[2] ?? value[0])}`, `${spec.y?.[0]}: ${said(value[1])}`].filter(Boolean).join("\n"),
    },
    legend: { ...(base(look).legend as Option), show: groups.size > 1 },
    grid: { ...(base(look).grid as Option), top: groups.size > 1 ? 36 : 14 },
    xAxis: numbers ? { ...valueAxis(look), scale: true } : timed ? { type: "time", ...axisLook(look) } : { type: "category", data: [...new Set(rows.filter((row) => numeric(row[y]) !== null).map((row) => placeText(row[x], type)))], ...axisLook(look) },
    yAxis: { ...valueAxis(look), scale: true },
    series: [...groups].map(([name, data]) => ({ name, type: "scatter", data, symbolSize: 6, large: data.length > 2000 })),
  };
}

/** Names stand around a pie where there is room on both sides, and else in a list beside it. */
const AROUND = 440;
/** Of text in two lines. */
const LINE = 15;

const share = (value: number, sum: number) => (Number.isFinite(value / sum) ? `${exact(Math.round((value / sum) * 1000) / 10)} %` : "–");

function slices(spec: ChartSpec, columns: Column[], rows: Row[], look: Look, width: number, height: number): Option {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places, series } = table({ ...spec, series: undefined, y: spec.y?.slice(0, 1) }, columns, rows);
  const all = places.map((place, i) => ({ name: placeText(place, type), value: series[0]?.values[i] ?? 0 })).filter((part) => (spec.kind === "funnel" ? part.value >= 0 : part.value > 0));
  if (spec.kind === "funnel") {
    const first = all[0]?.value ?? 0;
    const apart = (height - 24) / Math.max(1, all.length) >= 2 * LINE ? "\n" : "  ";
    const every = Math.ceil((all.length * LINE) / Math.max(LINE, height - 24));
    return {
      ...base(look),
      legend: { show: false },
      series: [
        {
          type: "funnel",
          sort: "none",
          left: "4%",
          width: "48%",
          top: 12,
          bottom: 12,
          gap: 3,
          minSize: "2%",
          data: all,
          label: {
            position: "right",
            color: look.ink,
            lineHeight: LINE,
            // Of more steps than there is room for lines, some are named.
            formatter: (part: { name: string; value: number; dataIndex?: number }) => ((part.dataIndex ?? 0) % every > 0 ? "" : `${cut(part.name)}${apart}${told(part.value)}  (${share(part.value, first)})`),
          },
          labelLine: { show: every === 1 },
        },
      ],
    };
  }
  const sorted = [...all].sort((a, b) => b.value - a.value);
  const sum = all.reduce((sum, part) => sum + part.value, 0);
  const rest = sorted.slice(9).reduce((sum, part) => sum + part.value, 0);
  const data = rest > 0 ? [...sorted.slice(0, 9), { name: w.chart.others(count(sorted.length - 9)), value: rest }] : sorted;
  const pie = { type: "pie", data, itemStyle: { borderColor: look.sheet, borderWidth: 1 } };
  if (width >= AROUND) {
    const label = { color: look.ink, lineHeight: LINE, formatter: (part: { name: string; value: number }) => `${cut(part.name)}${data.length > 5 ? "  " : "\n"}${share(part.value, sum)}` };
    return { ...base(look), legend: { show: false }, series: [{ ...pie, radius: ["38%", "62%"], label, labelLayout: { hideOverlap: true } }] };
  }
  const legend = {
    ...(base(look).legend as Option),
    orient: "vertical",
    left: "52%",
    top: "middle",
    textStyle: { color: look.ink, width: Math.round(width * 0.48) - 36, overflow: "truncate", lineHeight: LINE, rich: { share: { color: look.quiet, lineHeight: LINE } } },
    formatter: (name: string) => `${name}\n{share|${share(data.find((part) => part.name === name)?.value ?? 0, sum)}}`,
  };
  const radius = Math.min(width * 0.22, height * 0.44);
  return { ...base(look), legend, series: [{ ...pie, center: ["25%", "50%"], radius: [radius * 0.6, radius], label: { show: false } }] };
}

/** From little to much, in colours that everybody can tell apart. */
const ramp = (look: Look): Option => ({
  orient: "horizontal",
  left: "center",
  bottom: 4,
  itemHeight: 120,
  itemWidth: 10,
  textStyle: { color: look.quiet },
  inRange: { color: look.dark ? ["#16323a", "#56B4E9", "#f5f7c8"] : ["#f0f6fa", "#56B4E9", "#00395c"] },
});

/** The ramp from the least value to the most, which it tells; from nothing, unless all are far from it. */
export function scale(look: Look, least: number, most: number): Option {
  const from = least > most / 2 && least < most ? least : Math.min(0, least);
  const to = Math.max(most, from === most ? from + 1 : 0);
  return { ...ramp(look), min: from, max: to, text: [compact(to), compact(from)], textGap: 8 };
}

function heat(spec: ChartSpec, columns: Column[], rows: Row[], look: Look, width: number): Option {
  const type = columns.find((column) => column.name === spec.x)?.type ?? "text";
  const { places, series } = table(spec, columns, rows);
  const named = (at: number) => (places[at] === undefined ? "" : placeText(places[at], type));
  const data = series.flatMap((one, y) => one.values.flatMap((value, x) => (value === null ? [] : [[x, y, value]])));
  const values = series.flatMap((one) => one.values).filter((value) => value !== null);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const least = values.reduce((a, b) => Math.min(a, b), most);
  return {
    ...base(look),
    legend: { show: false },
    tooltip: { ...(base(look).tooltip as Option), formatter: ({ value }: { value: [number, number, number | string] }) => `${[named(value[0]), series[value[1]]?.name].filter(Boolean).join("\n")}\n${said(value[2])}` },
    grid: { left: 8, right: 16, top: 12, bottom: 44, containLabel: true },
    xAxis: placesAxis(places.map((place) => placeText(place, type)), look, width, isTime(type)),
    yAxis: { type: "category", data: series.map((one) => one.name), ...axisLook(look), axisLabel: { ...axisLook(look).axisLabel, width: Math.round(Math.max(60, width / 4)), overflow: "truncate" } },
    visualMap: scale(look, least, most),
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
    xAxis: { type: "category", data: found.map((bin) => `${told(bin.from)} – ${told(bin.to)}`), ...axisLook(look) },
    yAxis: valueAxis(look),
    series: [{ name: spec.y?.[0], type: "bar", barCategoryGap: "2%", data: found.map((bin) => bin.count) }],
  };
}

function box(spec: ChartSpec, columns: Column[], rows: Row[], look: Look, width: number): Option {
  const found = boxes(spec, columns, rows);
  return {
    ...base(look),
    legend: { show: false },
    grid: { left: 8, right: 16, top: 14, bottom: 8, containLabel: true },
    xAxis: placesAxis(found.map((one) => one.name), look, width),
    yAxis: { ...valueAxis(look), scale: true },
    series: [
      { name: spec.y?.[0], type: "boxplot", data: found.map((one) => one.five), itemStyle: { color: "transparent", borderColor: look.dark ? PALETTE_DARK[0] : PALETTE[0], borderWidth: 1.5 } },
      { name: spec.y?.[0], type: "scatter", symbolSize: 4, data: found.flatMap((one, i) => one.beyond.map((value) => [i, value])) },
    ],
  };
}

/** Places of flows that have room for their names, however little flows there. */
const FEW_NAMES = 16;

function sankey(spec: ChartSpec, columns: Column[], rows: Row[], look: Look, height: number): Option | null {
  const links = flows(spec, columns, rows);
  if (!links || links.length === 0) return null;
  const most = links.reduce((sum, link) => sum + link.value, 0);
  const names = [...new Set(links.flatMap((link) => [link.source, link.target]))];
  return {
    ...base(look),
    legend: { show: false },
    series: [
      {
        type: "sankey",
        left: 8,
        right: 120,
        top: 12,
        bottom: 12,
        nodeGap: 10,
        nodeWidth: 12,
        data: names.map((name) => ({ name })),
        links,
        // What is thinner than its name has none: names would lie over each other.
        label: { color: look.ink, fontSize: 11.5, formatter: ({ name, value }: { name: string; value: number }) => (names.length > FEW_NAMES && (value / most) * height < LINE ? "" : cut(plainName(name), 20)) },
        tooltip: {
          formatter: ({ data, value }: { data: { name?: string; source?: string; target?: string }; value: number }) => `${data.source === undefined ? plainName(data.name ?? "") : `${data.source} → ${plainName(data.target ?? "")}`}  ${exact(value)}`,
        },
        lineStyle: { color: "source", opacity: 0.3 },
        emphasis: { focus: "adjacency" },
      },
    ],
  };
}

function map(spec: ChartSpec, columns: Column[], rows: Row[], look: Look): Option | null {
  const index = (name: string | undefined) => columns.findIndex((column) => column.name === name);
  const y = index(spec.y?.[0]);
  const where = globeColumns(columns);
  const ground = { areaColor: look.line, borderColor: look.sheet, borderWidth: 0.6 };
  if (where) {
    const [lat, lon] = [index(where.lat), index(where.lon)];
    const sized = y >= 0 && y !== lat && y !== lon;
    const points = rows.map((row) => [numeric(row[lon]), numeric(row[lat]), sized ? numeric(row[y]) : 1]).filter((point) => point[0] !== null && point[1] !== null);
    const most = points.reduce((most, point) => Math.max(most, point[2] ?? 0), 0) || 1;
    return {
      ...base(look),
      legend: { show: false },
      geo: { map: "world", roam: true, itemStyle: ground, emphasis: { disabled: true }, silent: true },
      series: [{ name: spec.y?.[0], type: "scatter", coordinateSystem: "geo", data: points, symbolSize: (point: number[]) => 4 + 14 * Math.sqrt(Math.max(0, point[2] ?? 0) / most), itemStyle: { opacity: 0.7 } }],
    };
  }
  const x = index(spec.x);
  if (x < 0 || y < 0 || isNumber(columns[x]?.type ?? "")) return null;
  const sums = new Map<string, number>();
  for (const row of rows) {
    const value = numeric(row[y]);
    if (value === null || row[x] === null) continue;
    const name = countryName(String(row[x]));
    sums.set(name, (sums.get(name) ?? 0) + value);
  }
  const values = [...sums.values()];
  return {
    ...base(look),
    legend: { show: false },
    visualMap: scale(
      look,
      values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
      values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    ),
    series: [{ name: spec.y?.[0], type: "map", map: "world", roam: true, showLegendSymbol: false, bottom: 44, top: 8, itemStyle: ground, data: [...sums].map(([name, value]) => ({ name, value })), emphasis: { label: { show: false }, itemStyle: { areaColor: look.dark ? PALETTE_DARK[1] : PALETTE[1] } }, select: { disabled: true } }],
  };
}

/** Returns what to draw; null where the columns do not make such a chart. */
export function options(spec: ChartSpec, columns: Column[], rows: Row[], look: Look, at: number, width = USUAL_WIDTH, height = USUAL_HEIGHT): Option | null {
  if (!spec.y?.length) return null;
  switch (spec.kind) {
    case "line":
    case "bar":
    case "area":
      return alongAxis(spec, columns, rows, look, at, width, height);
    case "scatter":
      return scatter(spec, columns, rows, look);
    case "pie":
    case "funnel":
      return slices(spec, columns, rows, look, width, height);
    case "heatmap":
      return heat(spec, columns, rows, look, width);
    case "histogram":
      return histogram(spec, columns, rows, look);
    case "box":
      return box(spec, columns, rows, look, width);
    case "sankey":
      return sankey(spec, columns, rows, look, height);
    case "map":
      return map(spec, columns, rows, look);
    default:
      return null;
  }
}
