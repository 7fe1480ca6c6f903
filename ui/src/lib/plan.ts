/** What the server tells of how it answers: its steps as a tree, with what was measured. */

export interface PlanStep {
  /** How deep it stands in the tree; the answer's own step is 0. */
  depth: number;
  /** As the engine calls it: `HashJoinExec`. */
  operator: string;
  /** All that is said of it besides what was measured. */
  detail: string;
  /** The table that it reads, where it does. */
  table: string | null;
  /** What was measured; none unless the statement was run. */
  metrics: Map<string, string>;
}

/** Finds the list of measures at the end of a line: brackets stand in what is said before it, too. */
function divided(text: string): { said: string; metrics: Map<string, string> } {
  const at = text.lastIndexOf(", metrics=[");
  if (at < 0 || !text.endsWith("]")) return { said: text, metrics: new Map() };
  const list = text.slice(at + 11, -1);
  const metrics = new Map<string, string>();
  for (const part of list.split(", ")) {
    const [name = "", ...value] = part.split("=");
    if (value.length > 0) metrics.set(name, value.join("="));
  }
  return { said: text.slice(0, at), metrics };
}

/** Reads a plan: a step a line, two spaces deeper than what it feeds. */
export function stepsOf(plan: string): PlanStep[] {
  return plan
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const lead = line.length - line.trimStart().length;
      const { said, metrics } = divided(line.trim());
      const cut = /[:,\s]/.exec(said)?.index ?? said.length;
      const files = /\/([^/[\]]+)\/([^/[\]]+)\/[^/[\],]*\.parquet/.exec(said);
      const scan = /^TableScan: (\S+)/.exec(said);
      return {
        depth: Math.floor(lead / 2),
        operator: said.slice(0, cut),
        detail: said.slice(cut).replace(/^[:,\s]+/, ""),
        table: files ? `${files[1]}.${files[2]}` : (scan?.[1] ?? null),
        metrics,
      };
    });
}

const UNITS: Record<string, number> = { ns: 1e-6, µs: 1e-3, μs: 1e-3, us: 1e-3, ms: 1, s: 1e3, m: 6e4 };

/** Reads `36.24µs` as milliseconds; null for what is no time. */
export function milliseconds(text: string | undefined): number | null {
  const found = /^([\d.]+)\s*(ns|µs|μs|us|ms|s|m)$/.exec(text ?? "");
  return found ? Number(found[1]) * (UNITS[found[2] ?? ""] ?? 0) : null;
}

const SCALES: Record<string, number> = { "": 1, K: 1e3, M: 1e6, B: 1e9, T: 1e12 };

/** Reads `1.50 K` as a number of rows; null for what is none. */
export function rowsIn(text: string | undefined): number | null {
  const found = /^([\d.,]+)\s*([KMBT]?)$/.exec(text ?? "");
  return found ? Number((found[1] ?? "").replaceAll(",", "")) * (SCALES[found[2] ?? ""] ?? 1) : null;
}

/** The plan among an answer's rows; null where the answer is none. */
export function planOf(columns: readonly { name: string }[], rows: readonly unknown[][]): { steps: PlanStep[]; logical: string | null; text: string; measured: boolean } | null {
  if (columns.length !== 2 || columns[0]?.name !== "plan_type" || columns[1]?.name !== "plan") return null;
  const of = (kind: string) => rows.find((row) => row[0] === kind)?.[1];
  const measured = of("Plan with Metrics");
  const text = measured ?? of("physical_plan");
  if (typeof text !== "string") return null;
  const logical = of("logical_plan");
  return { steps: stepsOf(text), logical: typeof logical === "string" ? logical : null, text, measured: measured !== undefined };
}
