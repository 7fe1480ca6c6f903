/** What came of a statement: rows, a chart, or what went wrong. */

import { useEffect, useMemo, useState } from "react";
import { Chart, ChartChoice } from "../charts/chart";
import { type ChartSpec, suggest } from "../charts/spec";
import { count, duration } from "../lib/format";
import { planOf } from "../lib/plan";
import { type Run, useRows, useRun } from "../lib/run";
import { askedInOrder, type Order } from "../lib/sorting";
import { words as w } from "../words";
import { Choice, Empty, Trouble, Waiting } from "./basics";
import { Grid, type RowSource } from "./grid";
import { PlanView } from "./plan";

export type View = "table" | "chart" | "both";

const VIEWS = [
  ["table", w.ask.table],
  ["chart", w.ask.chart],
  ["both", w.ask.both],
] as const;

/** How an answer is looked at. */
export function ViewChoice({ view, onChange }: { view: View; onChange(view: View): void }) {
  return <Choice<View> label={w.ask.chart} value={view} options={VIEWS} onChange={onChange} />;
}

/** Rows that are drawn at most: a screen has no more places. */
const DRAWN = 5_000;

/** Says what happened, in one line. */
export function summary(run: Run): string {
  const { tail } = run;
  if (!tail) return "";
  if (tail.rows_affected !== undefined) return w.ask.affected(tail.command ?? "", count(tail.rows_affected));
  if (run.columns.length === 0) return w.ask.done(tail.command ?? "");
  const rows = tail.result?.rows ?? tail.row_count;
  const parts = [rows === 1 ? w.ask.oneRow : w.ask.rows(count(rows)), w.ask.took(duration(tail.elapsed_ms))];
  if (tail.result?.cached) parts.push(w.ask.cached);
  return parts.join(", ");
}

/** Time that passes while something runs. */
export function Clock({ from }: { from: number }) {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 100);
    return () => clearInterval(timer);
  }, []);
  return <span className="quiet">{duration(Math.max(0, now - from))}</span>;
}

/** An answer of which not all rows are here is asked for again, in the order that is wanted. */
function useInOrder(run: Run, plain: RowSource): RowSource {
  const { run: again, start, reset } = useRun();
  const [order, setOrder] = useState<Order | null>(null);
  const other = useRows(again.columns, again.rows, again.tail?.result);
  const result = run.tail?.result;
  useEffect(() => {
    setOrder(null);
    reset();
  }, [run.startedAt, reset]);
  return useMemo(() => {
    if (run.state !== "done" || !result || result.rows <= run.rows.length) return plain;
    const set = (next: Order | null) => {
      setOrder(next);
      if (next) void start(askedInOrder(result, next));
      else reset();
    };
    const state = { now: order, set, busy: again.state === "running", failed: again.state === "failed" ? again.error?.message : undefined };
    return { ...(order && again.state === "done" ? other : plain), order: state };
  }, [run.state, run.rows.length, result, plain, order, again, other, start, reset]);
}

interface Props {
  run: Run;
  view: View;
  chart: ChartSpec | undefined;
  onChart(spec: ChartSpec): void;
  retry?: () => void;
}

export function AnswerView({ run, view, chart, onChart, retry }: Props) {
  const source = useInOrder(run, useRows(run.columns, run.rows, run.tail?.result));
  const few = useMemo(() => run.rows.slice(0, DRAWN), [run.rows, run.rows.length, run.state]);
  // Rows are put into the same array as they come: how many there are says that it is another.
  const spec = useMemo(() => chart ?? suggest(run.columns, few.slice(0, 200)), [chart, run.columns, few, few.length, run.state]);
  if (run.state === "idle") return null;
  if (run.state === "failed") {
    return <div className="message">{run.cancelled ? <Empty title={w.ask.cancelled} /> : <Trouble error={run.error} retry={retry} />}</div>;
  }
  if (run.columns.length === 0) {
    return run.state === "running" ? <Waiting /> : <div className="message" role="status">{summary(run)}</div>;
  }
  const plan = run.state === "done" ? planOf(run.columns, run.rows) : null;
  if (plan) return <PlanView plan={plan} />;
  const withTable = view !== "chart";
  const withChart = view !== "table";
  return (
    <div className="body">
      {withTable && (
        <div className="pane">
          {run.state === "done" && source.count === 0 ? (
            <div className="message">
              <Empty title={w.ask.noRows}>{w.ask.noRowsHint}</Empty>
            </div>
          ) : (
            <Grid source={source} />
          )}
        </div>
      )}
      {withChart && run.state === "done" && (
        <div className="pane">
          <ChartChoice spec={spec} columns={run.columns} rows={few} onChange={onChart} />
          <Chart spec={spec} columns={run.columns} rows={few} all={source.count} at={run.tail?.result?.created_at} title={w.ask.chart} />
        </div>
      )}
    </div>
  );
}
