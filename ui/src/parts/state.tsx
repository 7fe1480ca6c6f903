/** How something that runs stands: a word with a colour, and steps as a small bar. */

import { Badge } from "./basics";
import { type State, STATES } from "../lib/runs";
import { words as w } from "../words";

const LOOKS: Record<string, "good" | "warn" | "bad"> = { running: "good", failed: "bad", cancelled: "warn", paused: "warn" };

export function StateBadge({ state, title }: { state: string; title?: string }) {
  return (
    <Badge look={LOOKS[state]} title={title}>
      <i className={`dot ${state}`} aria-hidden="true" />
      {w.runs.states[state] ?? state}
    </Badge>
  );
}

/** Steps by state, each as wide as there are of it. */
export function StepsBar({ steps }: { steps: Record<State, number> }) {
  const all = STATES.reduce((sum, state) => sum + (steps[state] ?? 0), 0);
  const done = all - (steps.queued ?? 0) - (steps.running ?? 0);
  return (
    <span className="stepsbar" role="img" aria-label={w.runs.of(done, all)} title={STATES.filter((state) => steps[state] > 0).map((state) => `${steps[state]} ${w.runs.states[state]}`).join(", ")}>
      {(["succeeded", "skipped", "running", "failed", "cancelled", "queued"] as const).map((state) => steps[state] > 0 && <i key={state} className={state} style={{ flexGrow: steps[state] }} />)}
    </span>
  );
}
