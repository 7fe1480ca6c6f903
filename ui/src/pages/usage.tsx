/** Who asks what, what it takes, and what is stored: so that a team regulates itself. */

import { useQuery } from "@tanstack/react-query";
import { path } from "../lib/api";
import { ago, bytes, count, duration } from "../lib/format";
import { Link } from "../lib/router";
import { query } from "../lib/rows";
import { toHash } from "../lib/sheets";
import { Badge, Empty, Loaded, useTitle } from "../parts/basics";
import { List, Meter } from "../parts/list";
import { words as w } from "../words";

interface Person {
  user_name: string;
  queries: number;
  failed: number;
  elapsed_ms: number;
  cpu_ms: number;
  bytes_read: number;
  last_at: string;
}

interface Stored {
  schema_name: string;
  rows: number;
  file_bytes: number;
  files: number;
  memory_bytes: number;
}

interface Query {
  id: string;
  caller: string;
  state: string;
  elapsed_ms: number;
  cpu_ms: number;
  bytes_read: number;
  rows: number;
  started_at: string;
  sql: string;
}

const useRowsOf = <T,>(key: string, sql: string) => useQuery({ queryKey: [key], queryFn: ({ signal }) => query<T>(sql, [], signal), staleTime: 0 });

export function Usage() {
  useTitle(w.usage.title);
  const people = useRowsOf<Person>("usage.people", "select user_name, queries, failed, elapsed_ms, cpu_ms, bytes_read, last_at from weir.query_users order by cpu_ms desc");
  const stored = useRowsOf<Stored>(
    "usage.stored",
    `select schema_name, sum(rows)::bigint as rows, sum(file_bytes)::bigint as file_bytes, sum(files)::bigint as files, sum(memory_bytes)::bigint as memory_bytes
     from weir.storage group by schema_name order by file_bytes desc`,
  );
  const slow = useRowsOf<Query>(
    "usage.slow",
    "select id, caller, state, elapsed_ms, cpu_ms, bytes_read, rows, started_at, sql from weir.queries where sql not like '%weir.quer%' order by elapsed_ms desc limit 30",
  );
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.usage.title}</h1>
        <span className="quiet">{w.usage.since}</span>
      </div>
      <div className="stack">
        <section className="card" aria-labelledby="usage-people">
          <h2 id="usage-people">{w.usage.people}</h2>
          <Loaded of={people}>
            {(all) => {
              const most = Math.max(...all.map((one) => one.cpu_ms), 0);
              if (all.length === 0) return <Empty title={w.usage.empty} />;
              return (
                <List
                  label={w.usage.people}
                  rows={all}
                  keyOf={(one) => one.user_name}
                  columns={[
                    { head: w.usage.user, cell: (one) => one.user_name },
                    { head: w.usage.queries, number: true, cell: (one) => count(one.queries) },
                    { head: w.usage.failed, number: true, cell: (one) => count(one.failed) },
                    { head: w.usage.time, number: true, cell: (one) => duration(one.elapsed_ms) },
                    { head: w.usage.cpu, number: true, cell: (one) => duration(one.cpu_ms) },
                    { head: w.usage.share, quiet: true, cell: (one) => <Meter part={one.cpu_ms} of={most} /> },
                    { head: w.usage.read, number: true, cell: (one) => bytes(one.bytes_read) },
                    { head: w.data.at, cell: (one) => ago(one.last_at) },
                  ]}
                />
              );
            }}
          </Loaded>
        </section>
        <section className="card" aria-labelledby="usage-stored">
          <h2 id="usage-stored">{w.usage.tables}</h2>
          <Loaded of={stored}>
            {(all) => {
              const most = Math.max(...all.map((one) => one.file_bytes), 0);
              if (all.length === 0) return <Empty title={w.data.empty} />;
              return (
                <List
                  label={w.usage.tables}
                  rows={all}
                  keyOf={(one) => one.schema_name}
                  columns={[
                    { head: w.data.schema, cell: (one) => <Link href={path`/data/${one.schema_name}`}>{one.schema_name}</Link> },
                    { head: w.usage.rows, number: true, cell: (one) => count(one.rows) },
                    { head: w.data.size, number: true, cell: (one) => bytes(one.file_bytes) },
                    { head: w.usage.share, quiet: true, cell: (one) => <Meter part={one.file_bytes} of={most} /> },
                    { head: w.usage.files, number: true, cell: (one) => count(one.files) },
                  ]}
                />
              );
            }}
          </Loaded>
        </section>
        <section className="card" aria-labelledby="usage-slow">
          <h2 id="usage-slow">{w.usage.slow}</h2>
          <Loaded of={slow}>
            {(all) => (
              <List
                label={w.usage.slow}
                rows={all}
                keyOf={(one) => one.id}
                columns={[
                  {
                    head: w.usage.sql,
                    cell: (one) => (
                      <Link className="mono" href={`/ask#${toHash({ sql: one.sql, view: "table" })}`}>
                        {one.sql.replace(/\s+/g, " ").slice(0, 160)}
                      </Link>
                    ),
                  },
                  { head: w.usage.user, cell: (one) => one.caller },
                  { head: w.usage.state, cell: (one) => <Badge look={one.state === "failed" ? "bad" : undefined}>{one.state}</Badge> },
                  { head: w.usage.time, number: true, cell: (one) => duration(one.elapsed_ms) },
                  { head: w.usage.read, number: true, cell: (one) => bytes(one.bytes_read) },
                  { head: w.data.at, cell: (one) => ago(one.started_at) },
                ]}
              />
            )}
          </Loaded>
        </section>
      </div>
    </main>
  );
}
