/** Where tiles lie: twelve columns, and no tile over another. */

import type { ChartSpec } from "../charts/spec";
import { instantOf, isZoned, next, type Period } from "../charts/time";
import type { Parameter, QuestionBody } from "../lib/documents";
import { daysOf, later, today } from "./board-range";

export interface Tile {
  id: string;
  title?: string;
  /** A saved question, or text; one of both. */
  question?: string;
  text?: string;
  /** Instead of the question's own. */
  chart?: ChartSpec;
  /** The tab it is on; the first when left out. */
  tab?: string;
  /** The filter that a click on one of its values sets. */
  sets?: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Filter {
  /** The parameter it sets in every question that has one of that name; a range sets two after it. */
  name: string;
  label?: string;
  type: "text" | "number" | "date" | "timestamp" | "boolean" | "date_range";
  default?: string;
  /** Of a range, the parameters it sets instead: its first day, and the day after its last. */
  from?: string;
  to?: string;
  /** A SELECT whose first column has the values to choose from. */
  values?: string;
}

/** What a filter says: null is no value, by choice; nothing at all leaves each question its own default. */
export type Said = string | null;

/** Returns what a filter says in an address, else by its own default. `f.country=` is any. */
export function saidIn(search: URLSearchParams, filter: Filter): Said {
  const own = search.get(`f.${filter.name}`);
  return own === null ? ownDefault(filter) : own === "" ? null : own;
}

/** A file may have a number as a default. */
export const ownDefault = (filter: Filter): string => String(filter.default ?? "");

/** Returns the parameters that a filter sets: one, or those of a range's sides. */
export function setBy(filter: Filter): { one?: string; from?: string; to?: string } {
  if (filter.type !== "date_range") return { one: filter.name };
  return filter.from || filter.to ? { from: filter.from, to: filter.to } : { from: `${filter.name}_from`, to: `${filter.name}_to` };
}

/** Returns the filters that questions can take and that are not there yet: one for each parameter, or for both sides of a range. */
export function offeredFilters(parameters: Parameter[], there: Filter[]): Filter[] {
  const set = new Set(there.flatMap((filter) => Object.values(setBy(filter))));
  const free = new Map(parameters.filter((one) => !set.has(one.name)).map((one) => [one.name, one]));
  const found: Filter[] = [];
  for (const { name, type, values } of free.values()) {
    const range = /^(.+)_(from|to)$/.exec(name)?.[1];
    const whole = range !== undefined && [`${range}_from`, `${range}_to`].every((side) => ["date", "timestamp"].includes(free.get(side)?.type ?? ""));
    if (whole) {
      if (!found.some((filter) => filter.name === range)) found.push({ name: range, type: "date_range" });
    } else found.push({ name, type, values });
  }
  return found;
}

/** Returns what filters set, by parameter; those that say nothing set nothing. */
export function paramsOf(filters: Filter[], said: (filter: Filter) => Said, now = today()): Record<string, Said> {
  const params: Record<string, Said> = {};
  for (const filter of filters) {
    const value = said(filter);
    const { one, from, to } = setBy(filter);
    if (one !== undefined) {
      if (value !== "") params[one] = value;
      continue;
    }
    const days = value === null ? { from: null, to: null } : daysOf(value, now);
    if (from && days) params[from] = days.from;
    if (to && days) params[to] = days.to;
  }
  return params;
}

/**
 * Returns what a filter that says nothing leaves to the questions: their own defaults, each once. Empty
 * where none of them has one; null among them is a question that has none beside others that do.
 */
export function ownDefaults(parameter: string, questions: (QuestionBody | undefined)[]): (string | null)[] {
  const parameters = questions.flatMap((one) => one?.parameters?.filter((known) => known.name === parameter) ?? []);
  const found = new Set(parameters.map((known) => known.default || null));
  return [...found].some((one) => one !== null) ? [...found] : [];
}

/** A value of the data that was clicked, with what it is. */
export interface Picked {
  value: string;
  type: string;
  /** How long the period is that it begins. */
  period: Period | null;
}

const DAY = 86_400_000;

/** Returns a value of the data as a filter of a type takes it: of a moment, a filter by day takes the day, and a range all of its period. */
export function fitting(type: Filter["type"] | undefined, { value, type: of, period }: Picked): string {
  if (type !== "date" && type !== "date_range") return value;
  const ms = instantOf(value, of);
  // What has a zone is of the day that the viewer sees it on; days that were cut by UTC are UTC's.
  const cut = ms !== null && ms % DAY === 0 && period !== "hour" && period !== "minute";
  const day = ms !== null && isZoned(of) ? today(new Date(ms), cut ? "UTC" : undefined) : /^\d{4}-\d\d-\d\d(?=[T ]|$)/.exec(value)?.[0];
  if (day === undefined) return value;
  if (type === "date") return day;
  const start = Date.parse(`${day}T00:00:00Z`);
  const end = period ? Math.max(next(start, period), start + DAY) : start + DAY;
  return `${day}..${later(new Date(end).toISOString().slice(0, 10), -1)}`;
}

export interface Tab {
  id: string;
  name: string;
}

export interface DashboardBody {
  tiles: Tile[];
  filters?: Filter[];
  tabs?: Tab[];
  /** Minutes between refreshes. */
  refresh?: number;
}

export const COLUMNS = 12;

/** Whether a tile is on a tab; what names none that there is, is on the first. */
export function onTab(tile: { tab?: string }, tabs: Tab[], tab: string | undefined): boolean {
  if (tabs.length === 0) return true;
  const own = tabs.some((one) => one.id === tile.tab) ? tile.tab : tabs[0]?.id;
  return own === tab;
}

const overlap = (a: Tile, b: Tile) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** Keeps a tile on the board. */
function inside(tile: Tile): Tile {
  const w = Math.max(2, Math.min(COLUMNS, tile.w));
  return { ...tile, w, h: Math.max(2, Math.min(30, tile.h)), x: Math.max(0, Math.min(COLUMNS - w, tile.x)), y: Math.max(0, tile.y) };
}

/** Moves every tile up as far as it goes; the one named `first` keeps its row where tiles meet. */
export function settle(tiles: Tile[], first?: string): Tile[] {
  const order = tiles.map(inside).sort((a, b) => a.y - b.y || Number(b.id === first) - Number(a.id === first) || a.x - b.x);
  const placed: Tile[] = [];
  for (const tile of order) {
    const down = { ...tile };
    while (placed.some((other) => overlap(down, other))) down.y += 1;
    while (down.y > 0 && !placed.some((other) => overlap({ ...down, y: down.y - 1 }, other))) down.y -= 1;
    placed.push(down);
  }
  return placed;
}

/** Changes one tile's place or size, and makes room for it. */
export function moved(tiles: Tile[], id: string, part: Partial<Tile>): Tile[] {
  return settle(
    tiles.map((tile) => (tile.id === id ? { ...tile, ...part } : tile)),
    id,
  );
}

/** Adds a tile below the others, or beside them where there is room. */
export function added(tiles: Tile[], tile: Omit<Tile, "x" | "y">): Tile[] {
  const bottom = tiles.reduce((most, other) => Math.max(most, other.y + other.h), 0);
  for (let y = 0; y <= bottom; y += 1) {
    for (let x = 0; x + tile.w <= COLUMNS; x += 1) {
      const tried = { ...tile, x, y };
      if (!tiles.some((other) => overlap(tried, other))) return settle([...tiles, tried]);
    }
  }
  return settle([...tiles, { ...tile, x: 0, y: bottom }]);
}
