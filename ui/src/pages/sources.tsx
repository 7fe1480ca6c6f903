/** Where rows come from: senders of events, and what Weir fetches. */

import { useQuery } from "@tanstack/react-query";
import { path } from "../lib/api";
import { ago, bytes, count, moment } from "../lib/format";
import { Link } from "../lib/router";
import { type EventSource, type Fetched, useEventSources, useFetched, useLastLoads } from "../lib/sources";
import { query } from "../lib/rows";
import { quoted } from "../lib/sqltext";
import { usePerson } from "../lib/session";
import { Badge, Button, copy, Empty, Loaded, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";

export function Sources() {
  useTitle(w.sources.title);
  const person = usePerson();
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.sources.title}</h1>
      </div>
      {person.may.manage_sources ? <All /> : <Empty title={w.sources.title}>{w.sources.denied}</Empty>}
    </main>
  );
}

function All() {
  const events = useEventSources(true);
  const fetched = useFetched(true);
  if (events.data?.length === 0 && fetched.data?.length === 0) {
    return (
      <NothingFetched title={w.sources.none} />
    );
  }
  return (
    <div className="stack">
      <Loaded of={fetched}>{(all) => (all.length === 0 ? <NothingFetched title={w.sources.nothingFetched} /> : <FetchedList all={all} />)}</Loaded>
      <Loaded of={events}>
        {(all) => {
          // What rows are fetched from has a name among the senders, too.
          const senders = all.filter((one) => !fetched.data?.some((other) => other.source === one.name));
          return senders.length === 0 ? null : <EventList all={senders} />;
        }}
      </Loaded>
    </div>
  );
}

function NothingFetched({ title }: { title: string }) {
  return (
    <Empty title={title}>
      <p>{w.sources.noneText}</p>
      <pre>{w.sources.example}</pre>
      <Button onClick={() => void copy(w.sources.example)}>{w.common.copy}</Button>
    </Empty>
  );
}

interface Flow {
  source: string;
  last_at: string | null;
  day: number;
  refused: number;
}

/** What came of each source lately. */
function useFlows(sources: EventSource[]) {
  return useQuery({
    queryKey: ["source flows", sources.map((one) => one.name)],
    queryFn: async ({ signal }) => {
      const tables = await query<{ table_schema: string; table_name: string }>(
        "select schema_name as table_schema, table_name from weir.tables where table_name in ('events', 'quarantine') and schema_name like 'raw_%'",
        [],
        signal,
      );
      const has = (source: string, table: string) => tables.some((one) => one.table_schema === `raw_${source}` && one.table_name === table);
      const parts = sources
        .filter((one) => has(one.name, "events"))
        .map(({ name }) => {
          const refused = has(name, "quarantine") ? `(select count(*) from ${quoted(`raw_${name}`)}.quarantine where received_at >= now() - interval '24 hours')` : "0";
          return `select '${name.replaceAll("'", "''")}' as source, max(received_at) as last_at, count(*) filter (where received_at >= now() - interval '24 hours') as day, ${refused} as refused from ${quoted(`raw_${name}`)}.events`;
        });
      if (parts.length === 0) return new Map<string, Flow>();
      const rows = await query<Flow>(parts.join(" union all "), [], signal);
      return new Map(rows.map((row) => [row.source, row]));
    },
    refetchInterval: 15_000,
  });
}

function EventList({ all }: { all: EventSource[] }) {
  const flows = useFlows(all);
  return (
    <section className="card" aria-labelledby="sources-events">
      <h2 id="sources-events">{w.sources.events}</h2>
      <List
        label={w.sources.events}
        rows={all}
        keyOf={(one) => one.name}
        columns={[
          {
            head: w.sources.name,
            cell: (one) => (
              <>
                <Link href={path`/sources/${one.name}`}>{one.name}</Link>
                {one.settings.description && <div className="quiet small">{one.settings.description}</div>}
              </>
            ),
          },
          { head: w.sources.state, cell: (one) => <Badge look={one.enabled ? "good" : "warn"}>{one.enabled ? w.sources.on : w.sources.off}</Badge> },
          {
            head: w.sources.last,
            cell: (one) => {
              const at = flows.data?.get(one.name)?.last_at;
              return at ? <span title={moment(at)}>{ago(at)}</span> : <span className="quiet">{flows.isFetched ? w.sources.never : ""}</span>;
            },
          },
          { head: w.sources.lastDay, number: true, cell: (one) => count(flows.data?.get(one.name)?.day ?? 0) },
          {
            head: w.sources.refused,
            number: true,
            cell: (one) => {
              const refused = flows.data?.get(one.name)?.refused ?? 0;
              return refused > 0 ? <Link href="/events?tab=quarantine">{count(refused)}</Link> : "0";
            },
          },
        ]}
      />
    </section>
  );
}

export function FetchedState({ source }: { source: Fetched }) {
  if (source.problem) {
    return (
      <Badge look="bad" title={source.problem}>
        {w.sources.wrong}
      </Badge>
    );
  }
  return <Badge look={source.syncing ? "good" : undefined}>{source.syncing ? w.sources.syncing : w.sources.idle}</Badge>;
}

function FetchedList({ all }: { all: Fetched[] }) {
  const loads = useLastLoads(all.map((one) => one.source));
  return (
    <section className="card" aria-labelledby="sources-fetched">
      <h2 id="sources-fetched">{w.sources.fetched}</h2>
      <List
        label={w.sources.fetched}
        rows={all}
        keyOf={(one) => one.source}
        columns={[
          {
            head: w.sources.name,
            cell: (one) => (
              <>
                <Link href={path`/sources/${one.source}`}>{one.source}</Link>
                {one.problem && <div className="small two-lines bad-text">{one.problem}</div>}
              </>
            ),
          },
          { head: w.sources.kind, cell: (one) => one.kind ?? "" },
          { head: w.sources.state, cell: (one) => <FetchedState source={one} /> },
          {
            head: w.sources.lookedAt,
            cell: (one) => {
              const at = one.health?.synced_at ?? loads.data?.get(one.source);
              return (
                <>
                  {at ? <span title={moment(at)}>{ago(at)}</span> : <span className="quiet">{loads.isFetched ? w.sources.never : ""}</span>}
                  {one.health?.problem && <div className="small two-lines bad-text">{one.health.problem}</div>}
                </>
              );
            },
          },
          {
            head: w.sources.lastSync,
            cell: (one) => {
              const at = Object.values(one.health?.arrived ?? {}).sort().at(-1) ?? loads.data?.get(one.source);
              return at ? <span title={moment(at)}>{ago(at)}</span> : "";
            },
          },
          { head: w.sources.lag, number: true, cell: (one) => (one.health?.lag ? bytes(one.health.lag.behind_bytes) : "") },
          { head: w.sources.tables, number: true, cell: (one) => <Link href={path`/data/${`raw_${one.source}`}`}>{one.tables}</Link> },
        ]}
      />
    </section>
  );
}
