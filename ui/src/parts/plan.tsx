/** How the server answers: each step with what it reads, and, where it was run, its rows and its time. */

import { useMemo, useState } from "react";
import { compact, count, duration, ratio } from "../lib/format";
import { milliseconds, type PlanStep, planOf, rowsIn } from "../lib/plan";
import { path } from "../lib/api";
import { Link } from "../lib/router";
import { words as w } from "../words";
import { Button, copy } from "./basics";
import { Meter } from "./list";

type Plan = NonNullable<ReturnType<typeof planOf>>;

/** What a step took of its threads. Steps that read tell the time of decoding apart. */
function timeOf(step: PlanStep): number | null {
  const times = ["elapsed_compute", "time_elapsed_processing"].flatMap((name) => milliseconds(step.metrics.get(name)) ?? []);
  return times.length > 0 ? Math.max(...times) : null;
}

const brief = (ms: number) => (ms < 1 ? `${Number((ms * 1000).toPrecision(2))} µs` : ms < 10 ? `${Number(ms.toPrecision(2))} ms` : duration(ms));

/** What of a step's measures is worth a word: what it read, left out, and had to put on the disk. */
function notable(step: PlanStep): string[] {
  const bytes = step.metrics.get("bytes_scanned");
  const spilled = step.metrics.get("spilled_bytes");
  return [
    ...(bytes ? [w.plan.scanned(compact(rowsIn(bytes) ?? 0))] : []),
    ...(spilled && !/^0(\.0)? B$/.test(spilled) ? [w.plan.spilled(spilled)] : []),
  ];
}

export function PlanView({ plan }: { plan: Plan }) {
  const [asText, setAsText] = useState(false);
  const total = useMemo(() => plan.steps.reduce((sum, step) => sum + (timeOf(step) ?? 0), 0), [plan]);
  return (
    <div className="plan stack">
      <div className="row wrap">
        <p className="quiet small grow">{plan.measured ? w.plan.measured(brief(total)) : w.plan.notRun}</p>
        <Button aria-pressed={asText} onClick={() => setAsText(!asText)}>
          {w.plan.text}
        </Button>
        <Button onClick={() => void copy(plan.text)}>{w.common.copy}</Button>
      </div>
      {asText ? <Pre label={w.plan.text} text={plan.text} /> : <Steps plan={plan} total={total} />}
      {plan.logical && (
        <details>
          <summary>{w.plan.logical}</summary>
          <Pre label={w.plan.logical} text={plan.logical} />
        </details>
      )}
    </div>
  );
}

/** Text that scrolls, by keys as well. */
const Pre = ({ label, text }: { label: string; text: string }) => (
  // biome-ignore lint: what scrolls is reached by keys
  <pre className="card scroll" role="region" aria-label={label} tabIndex={0}>
    {text}
  </pre>
);

function Steps({ plan: { steps, measured }, total }: { plan: Plan; total: number }) {
  return (
    <table className="list" aria-label={w.plan.title}>
      <thead>
        <tr>
          <th>{w.plan.step}</th>
          {measured && (
            <>
              <th className="num">{w.data.rows}</th>
              <th className="num">{w.usage.time}</th>
              <th>{w.usage.share}</th>
            </>
          )}
        </tr>
      </thead>
      <tbody>
        {steps.map((step, i) => {
          const time = timeOf(step);
          const rows = rowsIn(step.metrics.get("output_rows"));
          const notes = notable(step);
          return (
            // Steps have no names of their own, and never change their places.
            <tr key={i}>
              <td style={{ paddingLeft: 10 + step.depth * 18 }}>
                <div className="row wrap">
                  <b>
                    <span className="hidden">{w.plan.depth(step.depth)} </span>
                    {w.plan.operators[step.operator] ?? step.operator}
                  </b>
                  {step.table && <TableLink name={step.table} />}
                  {notes.length > 0 && <span className="quiet small">{notes.join(", ")}</span>}
                </div>
                <details className="small">
                  <summary className="quiet">{step.operator}</summary>
                  <code className="wrapped">{step.detail}</code>
                  {step.metrics.size > 0 && <code className="wrapped quiet">{[...step.metrics].map(([name, value]) => `${name} ${value}`).join(" · ")}</code>}
                </details>
              </td>
              {measured && (
                <>
                  <td className="num">{rows === null ? "" : count(rows)}</td>
                  <td className="num">{time === null ? "" : brief(time)}</td>
                  <td style={{ minWidth: 110 }}>
                    {time !== null && total > 0 && (
                      <span className="row">
                        <Meter part={time} of={total} /> <span className="small quiet">{ratio(time / total)}</span>
                      </span>
                    )}
                  </td>
                </>
              )}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function TableLink({ name }: { name: string }) {
  const dot = name.indexOf(".");
  return dot > 0 ? <Link href={path`/data/${name.slice(0, dot)}/${name.slice(dot + 1)}`}>{name}</Link> : <span>{name}</span>;
}
