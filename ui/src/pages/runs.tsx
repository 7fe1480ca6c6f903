/** What ran, what runs, and what will: runs, schedules, backfills. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { apart, type Called, useCalled } from "../lib/called";
import { ago, duration, moment } from "../lib/format";
import { Link, navigate, setSearch, usePlace } from "../lib/router";
import { PAGE, type Run, span, startRun, STATES, useRuns, useSchedules } from "../lib/runs";
import { usePerson } from "../lib/session";
import { Button, Choice, copy, Dialog, Empty, Field, Loaded, Tabs, Text, Trouble, useAct, useTitle } from "../parts/basics";
import { type Column, List, ScheduleName } from "../parts/list";
import { StateBadge, StepsBar } from "../parts/state";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { Backfills, Schedules } from "./schedules";

const TABS = [
  ["runs", w.runs.tabs.runs],
  ["schedules", w.runs.tabs.schedules],
  ["backfills", w.runs.tabs.backfills],
] as const;

type Tab = (typeof TABS)[number][0];

export function Runs() {
  useTitle(w.runs.title);
  const person = usePerson();
  const { search } = usePlace();
  const starting = search.has("start");
  const tab = TABS.find(([name]) => name === search.get("tab"))?.[0] ?? "runs";
  if (!person.may.operate) {
    return (
      <main className="page" id="page">
        <div className="head">
          <h1>{w.runs.title}</h1>
        </div>
        <Empty title={w.runs.title}>{w.runs.denied}</Empty>
      </main>
    );
  }
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.runs.title}</h1>
        <div className="actions">
          <Button look="main" onClick={() => setSearch({ start: "1" })}>
            {w.runs.start}
          </Button>
        </div>
      </div>
      <Problem />
      <Tabs<Tab> label={w.runs.title} value={tab} tabs={TABS} onChange={(next) => setSearch({ tab: next === "runs" ? null : next }, { push: true })} />
      {tab === "runs" && <AllRuns />}
      {tab === "schedules" && <Schedules />}
      {tab === "backfills" && <Backfills />}
      {starting && <StartRun onClose={() => setSearch({ start: null })} />}
    </main>
  );
}

/** What is wrong with the files that say what runs. */
function Problem() {
  const problem = useSchedules(true).data?.problem;
  if (!problem) return null;
  return (
    <div className="note" role="alert">
      <strong>{w.runs.problem}</strong>
      <pre>{problem}</pre>
    </div>
  );
}

/** Why a run came, in words. */
export function why(run: Run): string {
  const cause = run.rerun_of !== null ? w.runs.rerunOf(run.rerun_of) : (w.runs.causes[run.cause] ?? run.cause);
  return run.caused_by && run.rerun_of === null ? `${cause}, ${run.caused_by}` : cause;
}

const runColumns = (called: (name: string) => Called): readonly Column<Run>[] => [
  {
    head: w.runs.one,
    cell: (run) => (
      <span className="row">
        <Link href={`/runs/${run.id}`}>{w.runs.run(run.id)}</Link>
        {run.partition && <span className="quiet small">{run.partition}</span>}
      </span>
    ),
  },
  { head: w.runs.state, cell: (run) => <StateBadge state={run.state} title={run.reason ?? undefined} /> },
  { head: w.runs.schedule, cell: (run) => (run.schedule ? <ScheduleName name={run.schedule} called={called(run.schedule)} /> : <span className="quiet">–</span>) },
  { head: w.runs.cause, cell: (run) => <span className="quiet">{run.held ? w.runs.held : why(run)}</span> },
  { head: w.runs.steps, cell: (run) => <StepsBar steps={run.steps} /> },
  { head: w.runs.started, cell: (run) => <span title={moment(run.created_at)}>{ago(run.started_at ?? run.created_at)}</span> },
  {
    head: w.runs.took,
    number: true,
    cell: (run) => {
      const ms = span(run.started_at, run.ended_at);
      return ms === null ? "" : duration(ms);
    },
  },
];

function AllRuns() {
  const { search } = usePlace();
  const schedule = search.get("schedule") ?? "";
  const state = search.get("state") ?? "";
  const before = Number(search.get("before") ?? 0) || undefined;
  const runs = useRuns({ schedule, state, before }, true);
  const schedules = useSchedules(true);
  const names = schedules.data?.schedules.map((one) => one.name) ?? [];
  if (schedule && !names.includes(schedule)) names.push(schedule);
  const called = useCalled();
  const filtered = schedule !== "" || state !== "" || before !== undefined;
  return (
    <div className="stack">
      <div className="row wrap">
        <div className="narrow-field">
          <Choice label={w.runs.state} value={state} options={[["", w.runs.anyState], ...STATES.map((one) => [one, w.runs.states[one] ?? one] as const)]} onChange={(next) => setSearch({ state: next, before: null })} />
        </div>
        <div className="narrow-field">
          <Choice label={w.runs.schedule} value={schedule} options={[["", w.runs.anySchedule], ...apart(names.map((one) => [one, called(one).text]))]} onChange={(next) => setSearch({ schedule: next, before: null })} />
        </div>
      </div>
      <Loaded of={runs}>
        {(all) => {
          if (all.length === 0 && filtered) return <Empty title={w.runs.none} />;
          if (all.length === 0) return <Nothing />;
          return (
            <>
              <List card label={w.runs.title} columns={runColumns(called)} rows={all} keyOf={(run) => run.id} />
              {all.length === PAGE && (
                <div>
                  <Button onClick={() => setSearch({ before: String(all.at(-1)?.id ?? "") }, { push: true })}>{w.runs.older}</Button>
                </div>
              )}
            </>
          );
        }}
      </Loaded>
    </div>
  );
}

function Nothing() {
  return (
    <Empty title={w.runs.empty}>
      <p>{w.runs.emptyText}</p>
      <pre>{w.runs.example}</pre>
      <Button onClick={() => void copy(w.runs.example)}>{w.common.copy}</Button>
    </Empty>
  );
}

function StartRun({ onClose }: { onClose(): void }) {
  const queries = useQueryClient();
  const [select, setSelect] = useState("");
  const [busy, act, error] = useAct();
  const start = () =>
    act(async () => {
      const { run } = await startRun(select.split(/\s+/).filter(Boolean));
      await queries.invalidateQueries({ queryKey: ["runs"] });
      toast(w.runs.began(run));
      navigate(`/runs/${run}`);
    });
  return (
    <Dialog title={w.runs.startTitle} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <Field label={w.runs.startSelect} hint={w.runs.startHint}>
          <Text autoFocus value={select} onChange={(event) => setSelect(event.target.value)} />
        </Field>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy}>
            {w.runs.start}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}

