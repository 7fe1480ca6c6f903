/** When things run: pausing, going on, running now, and building what was missed. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, path } from "../lib/api";
import { useCalled } from "../lib/called";
import { ago, moment } from "../lib/format";
import { Link, navigate } from "../lib/router";
import { type Backfill, type Schedule, shortName, useBackfills, useSchedules } from "../lib/runs";
import { Badge, Button, copy, Dialog, Empty, Field, Loaded, Menu, Text, Trouble, useAct } from "../parts/basics";
import { Cron, List, Meter, ScheduleName } from "../parts/list";
import { StateBadge } from "../parts/state";
import { toast } from "../parts/toasts";
import { words as w } from "../words";

export function Schedules() {
  const queries = useQueryClient();
  const schedules = useSchedules(true);
  const called = useCalled();
  const [filling, setFilling] = useState<string | null>(null);
  const [, act, error] = useAct();
  const change = (schedule: Schedule, what: string, body?: unknown, told?: string) =>
    act(async () => {
      const answer = await api<{ run?: number } | undefined>("POST", path`/api/v1/schedules/${schedule.name}/${what}`, body);
      await queries.invalidateQueries({ queryKey: ["schedules"] });
      if (answer?.run) {
        toast(w.runs.began(answer.run));
        navigate(`/runs/${answer.run}`);
      } else if (told) toast(told);
    });
  const items = (one: Schedule) => [
    { text: w.schedules.trigger, act: () => void change(one, "trigger", {}) },
    ...(one.paused_at
      ? [
          { text: w.schedules.resumeAll, act: () => void change(one, "resume", {}, w.schedules.resumedToast(called(one.name).text)) },
          { text: w.schedules.resumeSkip, act: () => void change(one, "resume", { skip: true }, w.schedules.resumedToast(called(one.name).text)) },
        ]
      : [{ text: w.schedules.pause, act: () => void change(one, "pause", undefined, w.schedules.pausedToast(called(one.name).text)) }]),
    { text: w.schedules.backfill, act: () => setFilling(one.name) },
  ];
  return (
    <div className="stack">
      {error !== null && <Trouble error={error} />}
      <Loaded of={schedules}>
        {({ schedules: all }) =>
          all.length === 0 ? (
            <Empty title={w.schedules.empty}>
              <p>{w.runs.emptyText}</p>
              <pre>{w.runs.example}</pre>
              <Button onClick={() => void copy(w.runs.example)}>{w.common.copy}</Button>
            </Empty>
          ) : (
            <List
              card
              label={w.runs.tabs.schedules}
              rows={all}
              keyOf={(one) => one.name}
              columns={[
                {
                  head: w.common.name,
                  cell: (one) => (
                    <>
                      <ScheduleName name={one.name} called={called(one.name)} /> {one.paused_at && <Badge look="warn">{w.schedules.paused}</Badge>}
                      <div className="quiet small">{w.schedules.steps(one.steps)}</div>
                    </>
                  ),
                },
                {
                  head: w.schedules.when,
                  cell: (one) => (
                    <>
                      {one.trigger === "cron" ? <Cron line={one.definition} /> : one.definition}
                      {one.zone && <div className="quiet small">{one.zone}</div>}
                    </>
                  ),
                },
                {
                  head: w.schedules.next,
                  cell: (one) => (
                    <>
                      {one.next_at && <span title={moment(one.next_at)}>{ago(one.next_at)}</span>}
                      {one.deadline_at && <div className="quiet small">{w.schedules.deadline(ago(one.deadline_at))}</div>}
                    </>
                  ),
                },
                {
                  head: w.schedules.last,
                  cell: (one) =>
                    one.last_run && (
                      <span className="row">
                        <StateBadge state={one.last_run.state} title={one.last_run.reason ?? undefined} />
                        <Link href={`/runs/${one.last_run.id}`} className="small">
                          {ago(one.last_run.created_at)}
                        </Link>
                      </span>
                    ),
                },
                { head: w.common.more, quiet: true, cell: (one) => <Menu label={w.common.more} name={`${w.common.more}: ${called(one.name).text}`} items={items(one)} /> },
              ]}
            />
          )
        }
      </Loaded>
      {filling && <NewBackfill schedule={filling} title={w.backfills.title(called(filling).text)} onClose={() => setFilling(null)} />}
    </div>
  );
}

interface Begun {
  backfill: number | null;
  assets: string[];
  partitions: string[];
  steps: number;
}

function NewBackfill({ schedule, title, onClose }: { schedule: string; title: string; onClose(): void }) {
  const queries = useQueryClient();
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [chunk, setChunk] = useState("1");
  const [seen, setSeen] = useState<Begun | null>(null);
  const [busy, act, error] = useAct();
  const send = (dry: boolean) =>
    act(async () => {
      const begun = await api<Begun>("POST", "/api/v1/backfills", { schedule, from: from || undefined, to: to || undefined, chunk: Number(chunk) || 1, dry_run: dry });
      setSeen(begun);
      if (begun.backfill === null) return;
      await queries.invalidateQueries({ queryKey: ["backfills"] });
      toast(w.backfills.began(begun.backfill));
      onClose();
      navigate("/runs?tab=backfills");
    });
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send(seen === null);
        }}
      >
        <div className="row wrap">
          <Field label={w.backfills.from}>
            <Text type="date" value={from} onChange={(event) => { setFrom(event.target.value); setSeen(null); }} />
          </Field>
          <Field label={w.backfills.to}>
            <Text type="date" value={to} min={from} onChange={(event) => { setTo(event.target.value); setSeen(null); }} />
          </Field>
          <Field label={w.backfills.chunk}>
            <Text type="number" min={1} max={100} value={chunk} onChange={(event) => setChunk(event.target.value)} />
          </Field>
        </div>
        {seen && (
          <div className="note" role="status">
            <strong>{w.backfills.previewed(seen.partitions.length, seen.steps)}</strong>
            <div className="clip">{seen.partitions.slice(0, 12).join(", ")}{seen.partitions.length > 12 ? " …" : ""}</div>
          </div>
        )}
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy}>
            {seen ? w.backfills.begin : w.backfills.preview}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}

export function Backfills() {
  const queries = useQueryClient();
  const backfills = useBackfills(true);
  const [, act, error] = useAct();
  const change = (id: number, what: string) =>
    act(async () => {
      await api("POST", path`/api/v1/backfills/${id}/${what}`);
      await queries.invalidateQueries({ queryKey: ["backfills"] });
    });
  const ended = (one: Backfill) => one.succeeded + one.failed + one.cancelled;
  return (
    <div className="stack">
      {error !== null && <Trouble error={error} />}
      <Loaded of={backfills}>
        {(all) =>
          all.length === 0 ? (
            <Empty title={w.backfills.empty}>{w.backfills.emptyText}</Empty>
          ) : (
            <List
              card
              label={w.runs.tabs.backfills}
              rows={all}
              keyOf={(one) => one.id}
              columns={[
                { head: "#", cell: (one) => one.id },
                { head: w.runs.state, cell: (one) => <StateBadge state={one.paused_at ? "paused" : one.state} /> },
                { head: w.backfills.assets, cell: (one) => one.assets.map(shortName).join(", ") },
                { head: w.backfills.progress, cell: (one) => <Meter part={ended(one)} of={one.total} /> },
                {
                  head: w.runs.steps,
                  number: true,
                  cell: (one) => (
                    <>
                      {w.runs.of(ended(one), one.total)}
                      {one.failed > 0 && <div className="small">{w.backfills.failed(one.failed)}</div>}
                    </>
                  ),
                },
                {
                  head: w.common.more,
                  quiet: true,
                  cell: (one) =>
                    ended(one) < one.total && (
                      <span className="row">
                        <Button onClick={() => void change(one.id, one.paused_at ? "resume" : "pause")}>{one.paused_at ? w.schedules.resume : w.schedules.pause}</Button>
                        <Button onClick={() => void change(one.id, "cancel")}>{w.common.cancel}</Button>
                      </span>
                    ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
