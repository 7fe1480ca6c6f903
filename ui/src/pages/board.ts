/** Where tiles lie: twelve columns, and no tile over another. */

import type { ChartSpec } from "../charts/spec";
import type { QuestionBody } from "../lib/documents";

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
  /** The parameter it sets in every question that has one of that name. */
  name: string;
  label?: string;
  type: "text" | "number" | "date" | "timestamp" | "boolean";
  default?: string;
  /** A SELECT whose first column has the values to choose from. */
  values?: string;
}

/**
 * Returns what a filter that says nothing leaves to the questions: their own defaults, each once. Empty
 * where none of them has one; null among them is a question that has none beside others that do.
 */
export function ownDefaults(filter: string, questions: (QuestionBody | undefined)[]): (string | null)[] {
  const parameters = questions.flatMap((one) => one?.parameters?.filter((parameter) => parameter.name === filter) ?? []);
  const found = new Set(parameters.map((parameter) => parameter.default || null));
  return [...found].some((one) => one !== null) ? [...found] : [];
}

/** Returns a value of the data as a filter of a type takes it: of a moment, a filter by day takes the day. */
export const fitting = (type: Filter["type"] | undefined, value: string): string => (type === "date" ? (/^\d{4}-\d\d-\d\d(?=[T ])/.exec(value)?.[0] ?? value) : value);

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
