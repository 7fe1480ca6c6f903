/** Who asks what, what it takes, and what is stored: so that a team regulates itself. */

import { useQuery } from "@tanstack/react-query";
import { path } from "../lib/api";
import { ago, bytes, count, duration } from "../lib/format";
import { Link } from "../lib/router";
import { query } from "../lib/rows";
import { toHash } from "../lib/sheets";
import { Badge, Empty, Loaded, useTitle } from "../parts/basics";
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

function Meter({ part, of }: { part: number; of: number }) {
  return (
    <div className="meter" aria-hidden="true">
      <i style={{ width: `${of > 0 ? (part / of) * 100 : 0}%` }} />
    </div>
  );
}

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
        <section className="card scroll" aria-labelledby="usage-people">
          <h2 id="usage-people">{w.usage.people}</h2>
          <Loaded of={people}>
            {(all) => {
              const most = Math.max(...all.map((one) => one.cpu_ms), 0);
              if (all.length === 0) return <Empty title={w.usage.empty} />;
              return (
                <table className="list">
                  <thead>
                    <tr>
                      <th>{w.usage.user}</th>
                      <th className="num">{w.usage.queries}</th>
                      <th className="num">{w.usage.failed}</th>
                      <th className="num">{w.usage.time}</th>
                      <th className="num">{w.usage.cpu}</th>
                      <th>
                        <span className="hidden">{w.usage.share}</span>
                      </th>
                      <th className="num">{w.usage.read}</th>
                      <th>{w.data.at}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {all.map((one) => (
                      <tr key={one.user_name}>
                        <td>{one.user_name}</td>
                        <td className="num">{count(one.queries)}</td>
                        <td className="num">{count(one.failed)}</td>
                        <td className="num">{duration(one.elapsed_ms)}</td>
                        <td className="num">{duration(one.cpu_ms)}</td>
                        <td>
                          <Meter part={one.cpu_ms} of={most} />
                        </td>
                        <td className="num">{bytes(one.bytes_read)}</td>
                        <td>{ago(one.last_at)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              );
            }}
          </Loaded>
        </section>
        <section className="card scroll" aria-labelledby="usage-stored">
          <h2 id="usage-stored">{w.usage.tables}</h2>
          <Loaded of={stored}>
            {(all) => {
              const most = Math.max(...all.map((one) => one.file_bytes), 0);
              if (all.length === 0) return <Empty title={w.data.empty} />;
              return (
                <table className="list">
                  <thead>
                    <tr>
                      <th>{w.data.schema}</th>
                      <th className="num">{w.usage.rows}</th>
                      <th className="num">{w.data.size}</th>
                      <th>
                        <span className="hidden">{w.usage.share}</span>
                      </th>
                      <th className="num">{w.usage.files}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {all.map((one) => (
                      <tr key={one.schema_name}>
                        <td>
                          <Link href={path`/data/${one.schema_name}`}>{one.schema_name}</Link>
                        </td>
                        <td className="num">{count(one.rows)}</td>
                        <td className="num">{bytes(one.file_bytes)}</td>
                        <td>
                          <Meter part={one.file_bytes} of={most} />
                        </td>
                        <td className="num">{count(one.files)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              );
            }}
          </Loaded>
        </section>
        <section className="card scroll" aria-labelledby="usage-slow">
          <h2 id="usage-slow">{w.usage.slow}</h2>
          <Loaded of={slow}>
            {(all) => (
              <table className="list">
                <thead>
                  <tr>
                    <th>{w.usage.sql}</th>
                    <th>{w.usage.user}</th>
                    <th>{w.usage.state}</th>
                    <th className="num">{w.usage.time}</th>
                    <th className="num">{w.usage.read}</th>
                    <th>{w.data.at}</th>
                  </tr>
                </thead>
                <tbody>
                  {all.map((one) => (
                    <tr key={one.id}>
                      <td>
                        <Link className="mono" href={`/ask#${toHash({ sql: one.sql, view: "table" })}`}>
                          {one.sql.replace(/\s+/g, " ").slice(0, 160)}
                        </Link>
                      </td>
                      <td>{one.caller}</td>
                      <td>
                        <Badge look={one.state === "failed" ? "bad" : undefined}>{one.state}</Badge>
                      </td>
                      <td className="num">{duration(one.elapsed_ms)}</td>
                      <td className="num">{bytes(one.bytes_read)}</td>
                      <td>{ago(one.started_at)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </Loaded>
        </section>
      </div>
    </main>
  );
}
