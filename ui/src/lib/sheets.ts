/** The open queries of the Ask page: kept in this browser, and the one in view in the address. */

import type { ChartSpec } from "../charts/spec";
import type { View } from "../parts/answer";

export interface Sheet {
  id: string;
  sql: string;
  view: View;
  chart?: ChartSpec;
  params?: Record<string, string>;
}

export interface Sheets {
  all: Sheet[];
  on: string;
}

const KEY = "weir:sheets";

export const newSheet = (part: Partial<Sheet> = {}): Sheet => ({ sql: "", view: "table", ...part, id: Math.random().toString(36).slice(2, 10) });

/** Each person's sheets are their own, also where several use one browser. */
const keyOf = (person: string) => `${KEY}:${person}`;

export function loadSheets(person: string): Sheets {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(person)) ?? "") as Sheets;
    const good = (sheet: Sheet) => typeof sheet.id === "string" && typeof sheet.sql === "string";
    if (Array.isArray(kept.all) && kept.all.length > 0 && kept.all.every(good)) return kept;
  } catch {
    // Nothing is kept, or somebody else wrote it.
  }
  const first = newSheet();
  return { all: [first], on: first.id };
}

export function keepSheets(person: string, sheets: Sheets): void {
  try {
    localStorage.setItem(keyOf(person), JSON.stringify(sheets));
  } catch {
    // The browser keeps nothing, or no more: the address still has the sheet in view.
  }
}

/** Writes a sheet for an address. After `#`, so that no server and no log sees it. */
export function toHash(sheet: Pick<Sheet, "sql" | "view" | "chart" | "params">): string {
  const search = new URLSearchParams();
  if (sheet.sql) search.set("sql", sheet.sql);
  if (sheet.view !== "table") search.set("view", sheet.view);
  if (sheet.chart) search.set("chart", JSON.stringify(sheet.chart));
  if (sheet.params && Object.keys(sheet.params).length > 0) search.set("params", JSON.stringify(sheet.params));
  return search.toString();
}

/** Reads what {@link toHash} wrote; whatever else it is, less comes out, and no error. */
export function fromHash(hash: string): Partial<Sheet> | null {
  const search = new URLSearchParams(hash);
  const sql = search.get("sql");
  if (sql === null) return null;
  const view = search.get("view");
  const json = <T>(name: string): T | undefined => {
    try {
      const value: unknown = JSON.parse(search.get(name) ?? "null");
      return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as T) : undefined;
    } catch {
      return undefined;
    }
  };
  return { sql, view: view === "chart" || view === "both" ? view : "table", chart: json<ChartSpec>("chart"), params: json<Record<string, string>>("params") };
}
