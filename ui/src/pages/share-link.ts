/** The link to a frozen answer: how it was looked at stands behind the `#`, so that it opens as it was shared. */

import { type ChartSpec, KINDS } from "../charts/spec";
import type { View } from "../parts/answer";

export interface LookedAt {
  /** What it was called; of a question that whoever opens the link may not open, nobody else can say it. */
  name?: string;
  view?: View;
  chart?: ChartSpec;
}

const LONGEST_NAME = 200;

export function frozenLink(result: string, { name, view, chart }: LookedAt): string {
  const search = new URLSearchParams();
  if (name) search.set("name", name);
  if (view) search.set("view", view);
  if (chart) search.set("chart", JSON.stringify(chart));
  const text = search.toString();
  return `/r/${encodeURIComponent(result)}${text ? `#${text}` : ""}`;
}

/** Reads what {@link frozenLink} wrote; whatever else it is, less comes out, and no error. */
export function lookedAt(hash: string): LookedAt {
  const search = new URLSearchParams(hash);
  const view = search.get("view");
  return {
    name: search.get("name")?.trim().slice(0, LONGEST_NAME) || undefined,
    view: view === "table" || view === "chart" || view === "both" ? view : undefined,
    chart: chartOf(search.get("chart")),
  };
}

function chartOf(text: string | null): ChartSpec | undefined {
  try {
    const given = JSON.parse(text ?? "null") as Record<string, unknown> | null;
    const kind = KINDS.find((one) => one === given?.kind);
    if (!given || !kind) return undefined;
    const word = (name: string) => (typeof given[name] === "string" ? given[name] : undefined);
    const y = Array.isArray(given.y) ? given.y.filter((one): one is string => typeof one === "string") : undefined;
    return { kind, x: word("x"), y, series: word("series"), stacked: given.stacked === true || undefined };
  } catch {
    return undefined;
  }
}
