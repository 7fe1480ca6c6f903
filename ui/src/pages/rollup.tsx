/** A question kept as a table: which one, when it is brought up to date, and how that goes. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { ago, moment } from "../lib/format";
import { Link } from "../lib/router";
import type { State } from "../lib/runs";
import { usePerson } from "../lib/session";
import { Badge, Button, Choice, Dialog, Field, Loaded, Text, Trouble, useAct } from "../parts/basics";
import { StateBadge } from "../parts/state";
import { toast } from "../parts/toasts";
import { words as w } from "../words";

type Trigger = { kind: "cron"; cron: string; zone: string } | { kind: "inputs"; at_most_every_seconds: number };

export interface Rollup {
  question: string;
  name: string;
  schema_name: string;
  table_name: string;
  owner: string;
  version: number;
  newest: number;
  trigger: Trigger;
  reads: string[];
  follows: string[];
}

/** How something goes that runs by itself. */
export interface Goes {
  schedule: string;
  paused: boolean;
  next_at: string | null;
  last_run: { run: number; state: State; at: string; reason: string | null } | null;
}

interface Shown {
  rollup: Rollup | null;
  problem: string | null;
  goes: Goes | null;
}

/** The questions that are kept as tables, as far as one may open them. */
export const useRollups = () =>
  useQuery({
    queryKey: ["rollups"],
    queryFn: async ({ signal }) => (await get<{ rollups: Rollup[] }>("/api/v1/rollups", signal)).rollups,
    staleTime: 30_000,
  });

export const useRollup = (question: string) =>
  useQuery({
    queryKey: ["rollups", question],
    queryFn: ({ signal }) => get<Shown>(path`/api/v1/questions/${question}/rollup`, signal),
    refetchInterval: ({ state }) => (state.data?.rollup ? (["queued", "running"].includes(state.data.goes?.last_run?.state ?? "queued") ? 1_000 : 10_000) : false),
  });

const CRONS = [
  ["0 * * * *", w.rollups.hourly],
  ["0 6 * * *", w.rollups.daily],
  ["0 6 * * 1", w.rollups.weekly],
] as const;

/** A name as SQL likes it: `Orders by day` is `orders_by_day`. */
export const tableName = (name: string) =>
  name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .replace(/^(?=[0-9])/, "t_")
    .slice(0, 63) || "answer";

export function RollupDialog({ question, name, writes, onClose }: { question: string; name: string; writes: boolean; onClose(): void }) {
  const rollup = useRollup(question);
  return (
    <Dialog title={w.rollups.title} wide onClose={onClose}>
      <div className="stack">
        <p className="quiet">{w.rollups.hint}</p>
        <Loaded of={rollup}>
          {(shown) => (
            <>
              {shown.rollup && <Standing shown={shown} rollup={shown.rollup} writes={writes} />}
              <Form key={shown.rollup?.version ?? 0} question={question} name={name} before={shown.rollup} writes={writes} onClose={onClose} />
            </>
          )}
        </Loaded>
      </div>
    </Dialog>
  );
}

/** What it is and how it went, with what can be done about that. */
function Standing({ shown, rollup, writes }: { shown: Shown; rollup: Rollup; writes: boolean }) {
  const person = usePerson();
  const queries = useQueryClient();
  const [busy, act, error] = useAct();
  const again = () => queries.invalidateQueries({ queryKey: ["rollups"] });
  const mine = rollup.owner === person.name;
  const run = () =>
    act(async () => {
      const { run } = await api<{ run: number }>("POST", path`/api/v1/questions/${rollup.question}/rollup/run`);
      toast(w.runs.began(run));
      await again();
    });
  const end = () =>
    act(async () => {
      await api("DELETE", path`/api/v1/questions/${rollup.question}/rollup`);
      toast(w.rollups.ended(`${rollup.schema_name}.${rollup.table_name}`));
      await again();
    });
  return (
    <section className="stack" aria-label={w.rollups.title}>
      <dl className="facts">
        <div>
          <dt>{w.data.table}</dt>
          <dd>
            <Link href={path`/data/${rollup.schema_name}/${rollup.table_name}`}>{`${rollup.schema_name}.${rollup.table_name}`}</Link>
          </dd>
        </div>
        <div>
          <dt>{w.rollups.rights}</dt>
          <dd>{rollup.owner}</dd>
        </div>
        <div>
          <dt>{w.rollups.reads}</dt>
          <dd>{rollup.reads.join(", ") || w.common.none}</dd>
        </div>
        {shown.goes && <LastRun goes={shown.goes} />}
      </dl>
      {shown.problem && <p role="alert">{shown.problem}</p>}
      {rollup.newest !== rollup.version && <p className="note">{w.rollups.older(rollup.version, rollup.newest, rollup.owner)}</p>}
      {error !== null && <Trouble error={error} />}
      <div className="row">
        <Button why={mine || person.may.operate ? null : w.noAccess(rollup.table_name)} disabled={busy} onClick={() => void run()}>
          {w.rollups.now}
        </Button>
        <Button why={mine || writes ? null : w.noAccess(rollup.table_name)} disabled={busy} onClick={() => void end()}>
          {w.rollups.end}
        </Button>
      </div>
    </section>
  );
}

/** How it went last, and when it goes on. */
export function LastRun({ goes }: { goes: Goes }) {
  const person = usePerson();
  const last = goes.last_run;
  return (
    <>
      <div>
        <dt>{w.schedules.last}</dt>
        <dd>
          {last ? (
            <span className="row wrap">
              <StateBadge state={last.state} /> {person.may.operate ? <Link href={`/runs/${last.run}`}>{w.runs.run(last.run)}</Link> : w.runs.run(last.run)} <span title={moment(last.at)}>{ago(last.at)}</span>
            </span>
          ) : (
            w.rollups.notYet
          )}
          {last?.reason && last.state === "failed" && <div role="alert">{last.reason}</div>}
        </dd>
      </div>
      {goes.next_at && (
        <div>
          <dt>{w.schedules.next}</dt>
          <dd title={moment(goes.next_at)}>
            {ago(goes.next_at)} {goes.paused && <Badge look="warn">{w.schedules.paused}</Badge>}
          </dd>
        </div>
      )}
    </>
  );
}

function Form({ question, name, before, writes, onClose }: { question: string; name: string; before: Rollup | null; writes: boolean; onClose(): void }) {
  const person = usePerson();
  const queries = useQueryClient();
  const [schema, setSchema] = useState(before?.schema_name ?? person.schema);
  const [table, setTable] = useState(before?.table_name ?? tableName(name));
  const cron = before?.trigger.kind === "cron" ? before.trigger : null;
  const [when, setWhen] = useState<string>(before ? (cron ? (CRONS.some(([one]) => one === cron.cron) ? cron.cron : "other") : "inputs") : "inputs");
  const [own, setOwn] = useState(cron?.cron ?? "30 5 * * *");
  const [zone, setZone] = useState(cron?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC");
  const [minutes, setMinutes] = useState(String(before?.trigger.kind === "inputs" ? Math.max(1, Math.round(before.trigger.at_most_every_seconds / 60)) : 5));
  const [busy, act, error] = useAct();
  const keep = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      const named = { schema_name: schema, table_name: table };
      await api("PUT", path`/api/v1/questions/${question}/rollup`, when === "inputs" ? { ...named, at_most_every_seconds: 60 * Number(minutes) } : { ...named, cron: when === "other" ? own : when, zone });
      // What people make they want to see.
      await api("POST", path`/api/v1/questions/${question}/rollup/run`);
      await queries.invalidateQueries({ queryKey: ["rollups"] });
    });
  };
  return (
    <form className="stack" onSubmit={keep}>
      <h3>{before ? w.rollups.change : w.rollups.make}</h3>
      <div className="row wrap">
        <Field label={w.data.schema}>
          <Text required maxLength={63} value={schema} onChange={(event) => setSchema(event.target.value)} />
        </Field>
        <Field label={w.data.table}>
          <Text required maxLength={63} value={table} onChange={(event) => setTable(event.target.value)} />
        </Field>
        <Field label={w.rollups.when}>
          <Choice value={when} options={[["inputs", w.rollups.inputs], ...CRONS, ["other", w.rollups.other]]} onChange={setWhen} />
        </Field>
        {when === "inputs" && (
          <Field label={w.rollups.atMost}>
            <Text type="number" min={1} max={44640} required value={minutes} onChange={(event) => setMinutes(event.target.value)} />
          </Field>
        )}
        {when === "other" && (
          <Field label={w.rollups.cron} hint={w.rollups.cronHint}>
            <Text required value={own} onChange={(event) => setOwn(event.target.value)} />
          </Field>
        )}
        {when !== "inputs" && (
          <Field label={w.rollups.zone}>
            <Text required value={zone} onChange={(event) => setZone(event.target.value)} />
          </Field>
        )}
      </div>
      {error !== null && <Trouble error={error} />}
      <div className="row">
        <Button look="main" type="submit" why={writes ? null : w.noAccess(`“${name}”`)} disabled={busy}>
          {before ? w.rollups.change : w.rollups.make}
        </Button>
        <Button onClick={onClose}>{w.common.close}</Button>
      </div>
    </form>
  );
}
