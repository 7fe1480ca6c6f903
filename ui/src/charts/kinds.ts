/** Boxes, flows and maps: what rows become for them. */

import { isNumber } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { type ChartSpec, numeric, placeText } from "./spec";

/** A value below which a share of sorted values lies, between neighbours in proportion (type 7 of Hyndman and Fan). */
export function quantile(sorted: number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const [a, b] = [sorted[low] ?? 0, sorted[Math.min(sorted.length - 1, low + 1)] ?? 0];
  return a + (b - a) * (at - low);
}

export interface Box {
  name: string;
  /** Lower whisker, quartiles, upper whisker: whiskers reach values within 1.5 of the box's height (Tukey). */
  five: [number, number, number, number, number];
  /** What lies beyond the whiskers; the farthest of many. */
  beyond: number[];
}

/** Boxes that stand beside each other at most. */
export const MOST_BOXES = 60;

/** Points beyond whiskers that are drawn of one box. */
const BEYOND = 100;

export function boxes(spec: ChartSpec, columns: Column[], rows: Row[]): Box[] {
  const y = columns.findIndex((column) => column.name === spec.y?.[0]);
  const x = columns.findIndex((column) => column.name === spec.x);
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const value = numeric(row[y]);
    if (value === null) continue;
    const name = x >= 0 && x !== y ? placeText(row[x], columns[x]?.type ?? "text") : (spec.y?.[0] ?? "");
    const group = groups.get(name) ?? [];
    group.push(value);
    groups.set(name, group);
  }
  return [...groups].slice(0, MOST_BOXES).map(([name, values]) => {
    const sorted = values.sort((a, b) => a - b);
    const [q1, q2, q3] = [quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)];
    const reach = 1.5 * (q3 - q1);
    const within = sorted.filter((value) => value >= q1 - reach && value <= q3 + reach);
    const beyond = sorted.filter((value) => value < q1 - reach || value > q3 + reach);
    const farthest = beyond.length > BEYOND ? [...beyond.slice(0, BEYOND / 2), ...beyond.slice(-BEYOND / 2)] : beyond;
    return { name, five: [within[0] ?? q1, q1, q2, q3, within.at(-1) ?? q3], beyond: farthest };
  });
}

export interface Flow {
  source: string;
  target: string;
  value: number;
}

/** What tells a place where flows arrive from the one of the same name where they begin; nobody sees it. */
const ARRIVED = "\u200b";

/** A place's name as the data has it. */
export const plainName = (name: string) => (name.endsWith(ARRIVED) ? name.slice(0, -ARRIVED.length) : name);

/** Adds flows up. Those that run in circles cannot be drawn as such: then each place stands on the left, and on the right once more. */
export function flows(spec: ChartSpec, columns: Column[], rows: Row[]): Flow[] | null {
  const index = (name: string | undefined) => columns.findIndex((column) => column.name === name);
  const [from, to, y] = [index(spec.x), index(spec.series), index(spec.y?.[0])];
  if (from < 0 || to < 0 || y < 0) return null;
  const sums = new Map<string, Flow>();
  for (const row of rows) {
    const value = numeric(row[y]);
    if (value === null || value <= 0) continue;
    const flow = { source: placeText(row[from], columns[from]?.type ?? ""), target: placeText(row[to], columns[to]?.type ?? ""), value };
    const key = JSON.stringify([flow.source, flow.target]);
    const known = sums.get(key);
    if (known) known.value += value;
    else sums.set(key, flow);
  }
  const all = [...sums.values()].sort((a, b) => b.value - a.value).slice(0, 200);
  return circular(all) ? all.map((flow) => ({ ...flow, target: flow.target + ARRIVED })) : all;
}

function circular(all: Flow[]): boolean {
  const next = new Map<string, string[]>();
  for (const { source, target } of all) next.set(source, [...(next.get(source) ?? []), target]);
  const state = new Map<string, "open" | "done">();
  const visit = (name: string): boolean => {
    if (state.get(name) === "open") return true;
    if (state.get(name) === "done") return false;
    state.set(name, "open");
    const found = (next.get(name) ?? []).some(visit);
    state.set(name, "done");
    return found;
  };
  return [...next.keys()].some(visit);
}

export interface Places {
  lat: string;
  lon: string;
}

/** Finds the columns that say where on the globe a row is. */
export function globeColumns(columns: Column[]): Places | null {
  const find = (names: RegExp) => columns.find((column) => isNumber(column.type) && names.test(column.name))?.name;
  const lat = find(/(^|_)(lat|latitude)$/i);
  const lon = find(/(^|_)(lon|lng|long|longitude)$/i);
  return lat && lon ? { lat, lon } : null;
}

/** Names of countries that the map writes otherwise. */
const OTHERWISE: Record<string, string> = {
  "united states": "United States of America",
  usa: "United States of America",
  uk: "United Kingdom",
  "great britain": "United Kingdom",
  "czech republic": "Czechia",
  "türkiye": "Turkey",
  "south korea": "South Korea",
  "north korea": "North Korea",
  "democratic republic of the congo": "Dem. Rep. Congo",
  "congo - kinshasa": "Dem. Rep. Congo",
  "congo - brazzaville": "Congo",
  "central african republic": "Central African Rep.",
  "dominican republic": "Dominican Rep.",
  "bosnia & herzegovina": "Bosnia and Herz.",
  "bosnia and herzegovina": "Bosnia and Herz.",
  "north macedonia": "Macedonia",
  "south sudan": "S. Sudan",
  "equatorial guinea": "Eq. Guinea",
  "western sahara": "W. Sahara",
  "côte d’ivoire": "Côte d'Ivoire",
  "ivory coast": "Côte d'Ivoire",
  "myanmar (burma)": "Myanmar",
  eswatini: "eSwatini",
  "solomon islands": "Solomon Is.",
};

let regions: Intl.DisplayNames | undefined;

/** Returns how the map calls a country that is given by name or by its code of two letters. */
export function countryName(text: string): string {
  const given = text.trim();
  if (/^[A-Za-z]{2}$/.test(given)) {
    regions ??= new Intl.DisplayNames("en", { type: "region" });
    try {
      const name = regions.of(given.toUpperCase()) ?? given;
      return OTHERWISE[name.toLowerCase()] ?? name;
    } catch {
      return given;
    }
  }
  const known = OTHERWISE[given.toLowerCase()];
  if (known) return known;
  // The map writes names as names: `germany` and `GERMANY` are not known to it.
  const shouted = given === given.toLowerCase() || given === given.toUpperCase();
  return shouted ? given.toLowerCase().replace(/(^|[\s-])(?!of\b|and\b|the\b)(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()) : given;
}
