/** One source: what it brings, how it stands, and fetching from it now. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api, ApiError, get, path } from "../lib/api";
import { ago, count, moment } from "../lib/format";
import { Link } from "../lib/router";
import { type EventSource, type Fetched, type Offered, type Progress, rowsOf, sync, type Synced, useEventSources, useFetched, useSyncs } from "../lib/sources";
import { usePerson } from "../lib/session";
import { Badge, Button, Empty, Field, Loaded, Menu, Text, Trouble, useAct, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { SendSnippet } from "./send";
import { FetchedState } from "./sources";

export function Source({ source }: { source: string }) {
  useTitle(source);
  const person = usePerson();
  return <main className="page" id="page">{person.may.manage_sources ? <Shown source={source} /> : <Empty title={w.sources.title}>{w.sources.denied}</Empty>}</main>;
}

function Shown({ source }: { source: string }) {
  const events = useEventSources(true);
  const fetched = useFetched(true);
  return (
    <Loaded of={fetched}>
      {(all) => {
        const own = all.find((one) => one.source === source);
        if (own) return <FetchedSource source={own} />;
        return (
          <Loaded of={events}>
            {(senders) => {
              const sender = senders.find((one) => one.name === source);
              return sender ? <Sender source={sender} /> : <Empty title={w.failure.notFound}>{w.failure.notFoundHint}</Empty>;
            }}
          </Loaded>
        );
      }}
    </Loaded>
  );
}

function Title({ name }: { name: string }) {
  return (
    <h1>
      <Link href="/sources">{w.sources.title}</Link> / {name}
    </h1>
  );
}

function Sender({ source }: { source: EventSource }) {
  const queries = useQueryClient();
  const [description, setDescription] = useState(source.settings.description);
  const [busy, act, error] = useAct();
  const put = (body: { enabled?: boolean; description?: string }, told: string) =>
    act(async () => {
      await api("PUT", path`/api/v1/sources/${source.name}`, body);
      await queries.invalidateQueries({ queryKey: ["sources"] });
      toast(told);
    });
  return (
    <>
      <div className="head">
        <Title name={source.name} />
        <Badge look={source.enabled ? "good" : "warn"}>{source.enabled ? w.sources.on : w.sources.off}</Badge>
        <div className="actions">
          <Link className="button" href="/events">
            {w.events.title}
          </Link>
          <Link className="button" href="/settings?tab=keys">
            {w.sources.keys}
          </Link>
          <Button disabled={busy} onClick={() => void put({ enabled: !source.enabled }, w.sources.switched(source.name, !source.enabled))}>
            {source.enabled ? w.sources.switchOff : w.sources.switchOn}
          </Button>
        </div>
      </div>
      {error !== null && <Trouble error={error} />}
      <section className="card stack">
        <form
          className="row wrap"
          onSubmit={(event) => {
            event.preventDefault();
            void put({ description }, w.common.save);
          }}
        >
          <div className="grow">
            <Field label={w.common.description}>
              <Text value={description} onChange={(event) => setDescription(event.target.value)} />
            </Field>
          </div>
          <Button type="submit" disabled={busy || description === source.settings.description}>
            {w.common.save}
          </Button>
        </form>
        <dl className="facts">
          <div>
            <dt>{w.sources.ips}</dt>
            <dd>{w.sources.ipRules[source.settings.ip] ?? source.settings.ip}</dd>
          </div>
          <div>
            <dt>{w.sources.clock}</dt>
            <dd>{w.sources.clockRules[source.settings.clock] ?? source.settings.clock}</dd>
          </div>
          <div>
            <dt>{w.data.tables}</dt>
            <dd>
              <Link href={path`/data/${source.name}`}>{source.name}</Link>, <Link href={path`/data/${`raw_${source.name}`}`}>raw_{source.name}</Link>
            </dd>
          </div>
        </dl>
      </section>
      <section className="card stack apart" aria-labelledby="source-send">
        <h2 id="source-send">{w.events.send}</h2>
        <SendSnippet source={source.name} />
      </section>
    </>
  );
}

function FetchedSource({ source }: { source: Fetched }) {
  const queries = useQueryClient();
  const [progress, setProgress] = useState<Progress | null>(null);
  const [busy, act, error] = useAct();
  const stop = useRef<AbortController | null>(null);
  const go = (full: boolean) =>
    act(async () => {
      const own = new AbortController();
      stop.current = own;
      try {
        const last = await sync(source.source, full, setProgress, own.signal);
        toast(w.sources.synced(count(last ? rowsOf(last) : 0)));
      } catch (failure) {
        if (!own.signal.aborted) throw failure;
      } finally {
        stop.current = null;
        setProgress(null);
        await queries.invalidateQueries({ predicate: (one) => ["fetched", "syncs", "sync state", "tables"].includes(String(one.queryKey[0])) });
      }
    });
  return (
    <>
      <div className="head">
        <Title name={source.source} />
        {source.kind && <Badge>{source.kind}</Badge>}
        <FetchedState source={source} />
        <div className="actions">
          {busy ? (
            <Button look="danger" onClick={() => stop.current?.abort()}>
              {w.sources.stop}
            </Button>
          ) : (
            <>
              <Menu label={w.common.more} items={[{ text: w.sources.full, why: source.problem, act: () => void go(true) }]} />
              <Button look="main" why={source.problem} onClick={() => void go(false)}>
                {w.sources.sync}
              </Button>
            </>
          )}
        </div>
      </div>
      <div className="stack">
        {source.problem && <Trouble error={new ApiError(400, "wrong", w.sources.wrong, source.problem)} />}
        {progress && (
          <div className="note" role="status">
            {w.sources.working(count(rowsOf(progress)))}
            {progress.doing && <span className="quiet"> · {progress.doing}</span>}
            {progress.notes.map((note) => (
              <div key={note} className="small">
                {note}
              </div>
            ))}
          </div>
        )}
        {error !== null && <Trouble error={error} />}
        <Syncs source={source.source} />
        <Streams source={source} />
        <Position source={source.source} />
      </div>
    </>
  );
}

function Syncs({ source }: { source: string }) {
  const queries = useQueryClient();
  const syncs = useSyncs(source);
  const [busy, act, error] = useAct();
  const undo = (run: string) =>
    act(async () => {
      const { tables } = await api<{ tables: string[] }>("POST", "/api/v1/extract/undo", { run });
      await queries.invalidateQueries({ queryKey: ["syncs", source] });
      toast(w.sources.undone(tables.join(", ")));
    });
  return (
    <section className="card stack" aria-labelledby="source-syncs">
      <h2 id="source-syncs">{w.sources.syncs}</h2>
      {error !== null && <Trouble error={error} />}
      <Loaded of={syncs}>
        {(all) => {
          const runs = new Map<string, Synced[]>();
          for (const one of all) runs.set(one.run, [...(runs.get(one.run) ?? []), one]);
          const newest = [...runs].slice(0, 20);
          if (newest.length === 0) return <p className="quiet">{w.sources.notYet}</p>;
          return (
            <List
              label={w.sources.syncs}
              rows={newest}
              keyOf={([run]) => run}
              columns={[
                { head: w.sources.lastSync, cell: ([, parts]) => <span title={moment(parts[0]?.at ?? "")}>{ago(parts[0]?.at)}</span> },
                { head: w.sources.changes, number: true, cell: ([, parts]) => count(parts.reduce((sum, one) => sum + one.changes, 0)) },
                { head: w.data.tables, cell: ([, parts]) => parts.map((one) => one.table).join(", ") },
                { head: w.sources.run, cell: ([run]) => <code className="quiet">{run}</code> },
                {
                  head: w.sources.undo,
                  quiet: true,
                  cell: ([run]) => (
                    <Button disabled={busy} title={w.sources.undoHint} aria-label={`${w.sources.undo}: ${run}`} onClick={() => void undo(run)}>
                      {w.sources.undo}
                    </Button>
                  ),
                },
              ]}
            />
          );
        }}
      </Loaded>
    </section>
  );
}

function Streams({ source }: { source: Fetched }) {
  const [wanted, setWanted] = useState(false);
  const streams = useQuery({
    queryKey: ["streams", source.source],
    enabled: wanted,
    queryFn: async ({ signal }) => (await api<{ streams: Offered[] }>("POST", path`/api/v1/extract/${source.source}/discover`, undefined, signal)).streams,
  });
  return (
    <section className="card stack" aria-labelledby="source-streams">
      <h2 id="source-streams">{w.sources.streams}</h2>
      {wanted ? (
        <Loaded of={streams}>
          {(all) => (
            <List
              label={w.sources.streams}
              rows={all}
              keyOf={(one) => one.stream}
              columns={[
                { head: w.sources.stream, cell: (one) => one.stream },
                { head: w.sources.state, cell: (one) => <Badge look={one.taken ? "good" : undefined}>{one.taken ? w.sources.taken : w.sources.skipped}</Badge> },
                { head: w.sources.replication, cell: (one) => [one.replication, one.replication_key].filter(Boolean).join(", ") },
                { head: w.sources.key, cell: (one) => one.key.join(", ") },
                { head: w.data.table, cell: (one) => (one.exists ? <Link href={path`/data/${`raw_${source.source}`}/${one.table}`}>{one.table}</Link> : <span className="quiet">{one.table}</span>) },
              ]}
            />
          )}
        </Loaded>
      ) : (
        <div>
          <Button why={source.problem} onClick={() => setWanted(true)}>
            {w.sources.look}
          </Button>
        </div>
      )}
    </section>
  );
}

function Position({ source }: { source: string }) {
  const state = useQuery({
    queryKey: ["sync state", source],
    queryFn: ({ signal }) => get<{ state: unknown }>(path`/api/v1/extract/${source}/state`, signal),
    retry: false,
  });
  return (
    <section className="card stack" aria-labelledby="source-state">
      <h2 id="source-state">{w.sources.position}</h2>
      <Loaded of={state}>{(known) => (known.state === null ? <p className="quiet">{w.sources.positionNone}</p> : <pre className="code">{JSON.stringify(known.state, null, 2)}</pre>)}</Loaded>
    </section>
  );
}
