/** Who asks what, what it takes, and what is stored: so that a team regulates itself. */

import { useQuery } from "@tanstack/react-query";
import { path } from "../lib/api";
import { amount, ofQueries, ofStorage, type Prices, price } from "../lib/cost";
import { ago, bytes, count, duration } from "../lib/format";
import { Link, setSearch, usePlace } from "../lib/router";
import { OWN, query } from "../lib/rows";
import { toHash } from "../lib/sheets";
import { Badge, Empty, Field, Loaded, Text, useTitle } from "../parts/basics";
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

const useRowsOf = <T,>(key: string, sql: string, params: unknown[] = []) => useQuery({ queryKey: [key, ...params], queryFn: ({ signal }) => query<T>(sql, params, signal), staleTime: 0 });

/** All that each user ever asked, what the application asked for them included; or what they asked lately themselves. */
const EVER = "select user_name, queries, failed, elapsed_ms, cpu_ms, bytes_read, last_at from weir.query_users order by cpu_ms desc";
const LATELY = `select caller as user_name, count(*) as queries, count(*) filter (where state = 'failed') as failed, sum(elapsed_ms)::bigint as elapsed_ms,
   sum(cpu_ms)::bigint as cpu_ms, sum(bytes_read)::bigint as bytes_read, max(started_at) as last_at
   from weir.queries where not starts_with(sql, $1) group by caller order by cpu_ms desc`;

export function Usage() {
  useTitle(w.usage.title);
  const { search } = usePlace();
  const own = search.has("own");
  const prices: Prices = { hour: price(search.get("hour")), gigabyte: price(search.get("gb")) };
  const people = useRowsOf<Person>("usage.people", own ? EVER : LATELY, own ? [] : [OWN]);
  const stored = useRowsOf<Stored>(
    "usage.stored",
    `select schema_name, sum(rows)::bigint as rows, sum(file_bytes)::bigint as file_bytes, sum(files)::bigint as files, sum(memory_bytes)::bigint as memory_bytes
     from weir.storage group by schema_name order by file_bytes desc`,
  );
  const slow = useRowsOf<Query>(
    "usage.slow",
    `select id, caller, state, elapsed_ms, cpu_ms, bytes_read, rows, started_at, sql from weir.queries
     where $1 or not starts_with(sql, $2) order by elapsed_ms desc limit 30`,
    [own, OWN],
  );
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.usage.title}</h1>
        <div className="actions">
          <label className="check">
            <input type="checkbox" checked={own} onChange={(event) => setSearch({ own: event.target.checked ? "1" : null })} />
            {w.usage.own}
          </label>
        </div>
      </div>
      <div className="stack">
        <section className="card" aria-labelledby="usage-people">
          <h2 id="usage-people">{w.usage.people}</h2>
          <p className="quiet small">{own ? w.usage.ever : w.usage.lately}</p>
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
                    prices.hour !== null && { head: w.usage.cost, number: true, cell: (one) => amount(ofQueries(one.elapsed_ms, prices)) },
                    { head: w.usage.lastAsked, cell: (one) => ago(one.last_at) },
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
                    prices.gigabyte !== null && { head: w.usage.costMonth, number: true, cell: (one) => amount(ofStorage(one.file_bytes, prices)) },
                  ]}
                />
              );
            }}
          </Loaded>
        </section>
        <Costs elapsed={people.data?.reduce((sum, one) => sum + one.elapsed_ms, 0)} stored={stored.data?.reduce((sum, one) => sum + one.file_bytes, 0)} prices={prices} own={own} />
        <section className="card" aria-labelledby="usage-slow">
          <h2 id="usage-slow">{w.usage.slow}</h2>
          <Loaded of={slow}>
            {(all) => all.length === 0 ? <Empty title={w.usage.empty} /> : (
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
                  prices.hour !== null && { head: w.usage.cost, number: true, cell: (one) => amount(ofQueries(one.elapsed_ms, prices)) },
                  { head: w.usage.asked, cell: (one) => ago(one.started_at) },
                ]}
              />
            )}
          </Loaded>
        </section>
      </div>
    </main>
  );
}

/** Two prices, which stand in the address: who gets it sees the same guess. */
function Costs({ elapsed, stored, prices, own }: { elapsed: number | undefined; stored: number | undefined; prices: Prices; own: boolean }) {
  const { search } = usePlace();
  const queries = elapsed === undefined ? null : ofQueries(elapsed, prices);
  const month = stored === undefined ? null : ofStorage(stored, prices);
  const field = (name: "hour" | "gb", label: string) => (
    <Field label={label}>
      <Text inputMode="decimal" style={{ width: 160 }} value={search.get(name) ?? ""} aria-invalid={Boolean(search.get(name)) && price(search.get(name)) === null} onChange={(event) => setSearch({ [name]: event.target.value || null })} />
    </Field>
  );
  return (
    <section className="card stack" aria-labelledby="usage-costs">
      <h2 id="usage-costs">{w.usage.costs}</h2>
      <p className="quiet small">{w.usage.costsHint}</p>
      <div className="row wrap" style={{ alignItems: "end" }}>
        {field("hour", w.usage.perHour)}
        {field("gb", w.usage.perGigabyte)}
        <p role="status">
          {queries !== null && w.usage.costQueries(amount(queries), duration(elapsed ?? 0), own)} {month !== null && w.usage.costStorage(amount(month), bytes(stored ?? 0))}
        </p>
      </div>
    </section>
  );
}
