/** One run: its steps along the time they took, and what they write while they work. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, path } from "../lib/api";
import { useCalled } from "../lib/called";
import { ago, duration, moment, zone } from "../lib/format";
import { Link, navigate, setSearch, usePlace } from "../lib/router";
import { isOpen, type Line, retryRun, type RunDetail, shortName, span, type Step, useLog, useRun } from "../lib/runs";
import { usePerson } from "../lib/session";
import { Badge, Button, Choice, Empty, Loaded, Menu, type MenuItem, Trouble, useAct, useTitle } from "../parts/basics";
import { ScheduleName } from "../parts/list";
import { StateBadge } from "../parts/state";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { why } from "./runs";

export function Run({ id }: { id: string }) {
  useTitle(w.runs.run(id));
  const person = usePerson();
  if (!person.may.operate) {
    return (
      <main className="page" id="page">
        <Empty title={w.runs.title}>{w.runs.denied}</Empty>
      </main>
    );
  }
  return <Shown id={id} />;
}

function Shown({ id }: { id: string }) {
  const run = useRun(id);
  return (
    <main className="page" id="page">
      <Loaded of={run} gone={w.runs.gone}>
        {(shown) => (
          <>
            <Head run={shown} />
            <div className="stack">
              {shown.reason && <div className={shown.state === "failed" ? "trouble" : "note"}>{shown.reason}</div>}
              <Steps run={shown} />
              <Log id={id} run={shown} />
            </div>
          </>
        )}
      </Loaded>
    </main>
  );
}

/** The time that passes, while something does. */
function useNow(ticking: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [ticking]);
  return ticking ? now : Date.now();
}

function Head({ run }: { run: RunDetail }) {
  const queries = useQueryClient();
  const { search } = usePlace();
  const [busy, act, error] = useAct();
  const called = useCalled();
  const open = isOpen(run.state);
  const now = useNow(open);
  const took = span(run.started_at, run.ended_at, now);
  const chosen = search.get("step");
  const again = (what: { from_failed?: boolean; select?: string[] }) =>
    act(async () => {
      const made = await retryRun(run.id, what);
      toast(w.runs.began(made.run));
      navigate(`/runs/${made.run}`);
    });
  const cancel = () =>
    act(async () => {
      await api("POST", path`/api/v1/runs/${run.id}/cancel`);
      toast(w.runs.cancelled(run.id));
      await queries.invalidateQueries({ queryKey: ["run", String(run.id)] });
    });
  const items: MenuItem[] = [{ text: w.runs.retryAll, act: () => void again({}) }];
  if (chosen) items.unshift({ text: w.runs.retryOnly(shortName(chosen)), act: () => void again({ select: [`${shortName(chosen)}+`] }) });
  const unfinished = ["failed", "cancelled"].includes(run.state);
  return (
    <>
      <div className="head">
        <h1>
          <Link href="/runs">{w.runs.title}</Link> / {run.id}
        </h1>
        <StateBadge state={run.state} />
        {run.schedule && (
          <span className="badge">
            <ScheduleName name={run.schedule} called={called(run.schedule)} />
          </span>
        )}
        {run.partition && <Badge>{run.partition}</Badge>}
        <span className="quiet small" title={moment(run.created_at)}>
          {run.held ? w.runs.held : why(run)}, {ago(run.started_at ?? run.created_at)}
          {took !== null && `, ${duration(took)}`}
        </span>
        <div className="actions">
          {open ? (
            <Button look="danger" disabled={busy} onClick={() => void cancel()}>
              {w.runs.cancel}
            </Button>
          ) : (
            <>
              {unfinished && (
                <Button look="main" disabled={busy} title={w.runs.retryFailedHint} onClick={() => void again({ from_failed: true })}>
                  {w.runs.retryFailed}
                </Button>
              )}
              <Menu label={w.runs.retry} items={items} />
            </>
          )}
        </div>
      </div>
      {error !== null && <Trouble error={error} />}
    </>
  );
}

/** Where on the run's time a step lies, in percent. */
export function place(step: Pick<Step, "started_at" | "ended_at">, from: number, to: number): { left: number; width: number } | null {
  if (!step.started_at) return null;
  const whole = Math.max(1, to - from);
  const [start, end] = [Date.parse(step.started_at), step.ended_at ? Date.parse(step.ended_at) : to];
  const left = Math.min(100, Math.max(0, ((start - from) / whole) * 100));
  return { left, width: Math.min(100 - left, Math.max(0.5, ((end - start) / whole) * 100)) };
}

function Steps({ run }: { run: RunDetail }) {
  const { search } = usePlace();
  const now = useNow(isOpen(run.state));
  const chosen = search.get("step");
  const from = Date.parse(run.started_at ?? run.created_at);
  const to = run.ended_at ? Date.parse(run.ended_at) : now;
  return (
    <section className="card scroll" aria-label={w.runs.steps}>
      <table className="list steps stacked">
        <thead>
          <tr>
            <th>{w.runs.step}</th>
            <th>{w.runs.state}</th>
            <th className="wide">{w.runs.took}</th>
            <th className="num">{w.runs.tries}</th>
          </tr>
        </thead>
        <tbody>
          {run.details.map((step) => {
            const bar = place(step, from, to);
            const ms = span(step.started_at, step.ended_at, now);
            const table = step.table?.split(".");
            return (
              <tr key={step.id} aria-selected={chosen === step.asset}>
                <td data-head={w.runs.step}>
                  <div>
                    <button type="button" className="link" aria-pressed={chosen === step.asset} onClick={() => setSearch({ step: chosen === step.asset ? null : step.asset })}>
                      {shortName(step.asset)}
                    </button>
                    {table && table.length === 2 && (
                      <div className="small">
                        <Link href={path`/data/${table[0] ?? ""}/${table[1] ?? ""}`}>{step.table}</Link>
                      </div>
                    )}
                  </div>
                </td>
                <td data-head={w.runs.state}>
                  <div>
                    <StateBadge state={step.state} />
                    {note(step) && <div className="quiet small">{note(step)}</div>}
                  </div>
                </td>
                <td className="wide" data-head={w.runs.took}>
                  <div className="lane">{bar && <i className={step.state} style={{ left: `${bar.left}%`, width: `${bar.width}%` }} />}</div>
                  {ms !== null && <span className="quiet small num">{duration(ms)}</span>}
                </td>
                <td className="num" data-head={w.runs.tries}>
                  <div>{step.attempts.length || ""}</div>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function note(step: Step): string {
  if (step.reason) return step.reason;
  const last = step.attempts.at(-1);
  if (step.retry_at) return [last?.reason, w.runs.again(ago(step.retry_at))].filter(Boolean).join("; ");
  if (step.state === "queued" && step.waits_for > 0) return w.runs.waits(step.waits_for);
  return "";
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZone: zone });

function Log({ id, run }: { id: string; run: RunDetail }) {
  const { search } = usePlace();
  const step = search.get("step");
  const open = isOpen(run.state);
  const log = useLog(id, step, open);
  const box = useRef<HTMLDivElement>(null);
  const [follow, setFollow] = useState(true);
  const lines = log.data?.lines;
  useEffect(() => {
    if (follow && lines && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follow]);
  const steps = run.details.map((one) => [one.asset, shortName(one.asset)] as const);
  return (
    <section className="card stack" aria-labelledby="run-log">
      <div className="row wrap">
        <h2 id="run-log">{w.runs.log}</h2>
        {open && <Badge look="good">{w.runs.live}</Badge>}
        <span className="grow" />
        <div className="narrow-field">
          <Choice label={w.runs.step} value={step ?? ""} options={[["", w.runs.wholeLog], ...steps]} onChange={(next) => setSearch({ step: next })} />
        </div>
        {open && (
          <label className="check">
            <input type="checkbox" checked={follow} onChange={(event) => setFollow(event.target.checked)} />
            {w.runs.follow}
          </label>
        )}
      </div>
      <Loaded of={log}>
        {(shown) =>
          shown.lines.length === 0 ? (
            <p className="quiet">{w.runs.noLog}</p>
          ) : (
            // biome-ignore lint: what scrolls is reached by keys
            <div className="log" role="log" aria-label={w.runs.log} tabIndex={0} ref={box}>
              {shown.lines.map((line, at) => (
                <LogLine key={`${line.attempt}/${line.line}`} line={line} before={shown.lines[at - 1]} />
              ))}
            </div>
          )
        }
      </Loaded>
    </section>
  );
}

function LogLine({ line, before }: { line: Line; before?: Line }) {
  const bad = /^(fail|error)|: (table|column) .* does not exist/i.test(line.text);
  return (
    <>
      {before?.attempt !== line.attempt && (
        <div className="part">
          {shortName(line.asset)} · {w.runs.try(line.number)}
        </div>
      )}
      <div className={bad ? "bad" : undefined}>
        <time dateTime={line.at}>{time.format(new Date(line.at))}</time>
        <span>{line.text}</span>
      </div>
    </>
  );
}
