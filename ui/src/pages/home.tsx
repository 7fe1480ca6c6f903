/** What somebody finds when they come in. */

import { useQuery } from "@tanstack/react-query";
import { get, path } from "../lib/api";
import { type Document, useDocuments } from "../lib/documents";
import { ago, count } from "../lib/format";
import { Link } from "../lib/router";
import type { ResultInfo } from "../lib/rows";
import { usePerson } from "../lib/session";
import { Badge, Empty, Loaded, useTitle } from "../parts/basics";
import { words as w } from "../words";
import { schemaKind, useTables } from "./data";

const FEW = 8;

function Documents({ all, to }: { all: Document[]; to: "q" | "d" }) {
  return (
    <ul className="stack">
      {all.slice(0, FEW).map((one) => (
        <li key={one.id} className="row">
          <Link className="clip" href={`/${to}/${one.id}`}>
            {one.name}
          </Link>
          {one.certified && <Badge look="good">{w.questions.certified}</Badge>}
          <span className="grow" />
          <span className="quiet small">{ago(one.updated_at)}</span>
        </li>
      ))}
    </ul>
  );
}

export function Home() {
  useTitle(w.home.title);
  const person = usePerson();
  const questions = useDocuments("questions");
  const dashboards = useDocuments("dashboards");
  const tables = useTables();
  const results = useQuery({
    queryKey: ["results"],
    queryFn: async ({ signal }) => (await get<{ results: ResultInfo[] }>("/api/v1/results?limit=8", signal)).results,
  });
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.home.hello(person.name)}</h1>
        <div className="actions">
          <Link className="button main" href="/ask">
            {w.questions.new}
          </Link>
        </div>
      </div>
      <div className="cards">
        <section className="card stack" aria-labelledby="home-dashboards">
          <h2 id="home-dashboards">{w.home.dashboards}</h2>
          <Loaded of={dashboards}>
            {(all) =>
              all.length > 0 ? (
                <Documents all={all} to="d" />
              ) : (
                <Empty title={w.dashboards.empty}>
                  <Link href="/dashboards">{w.home.makeDashboard}</Link>
                </Empty>
              )
            }
          </Loaded>
        </section>
        <section className="card stack" aria-labelledby="home-questions">
          <h2 id="home-questions">{w.home.recent}</h2>
          <Loaded of={questions}>
            {(all) =>
              all.length > 0 ? (
                <Documents all={[...all].sort((a, b) => Number(b.certified) - Number(a.certified))} to="q" />
              ) : (
                <Empty title={w.questions.empty}>
                  <p>{w.home.firstText}</p>
                  <Link href="/ask">{w.home.askFirst}</Link>
                </Empty>
              )
            }
          </Loaded>
        </section>
        <section className="card stack" aria-labelledby="home-data">
          <h2 id="home-data">{w.home.fresh}</h2>
          <Loaded of={tables}>
            {(all) => {
              const own = all.filter((table) => table.rows !== null && schemaKind(table.schema_name, person.schema) !== w.data.kinds.system);
              const shown = own.sort((a, b) => (b.rows_in_memory ?? 0) - (a.rows_in_memory ?? 0) || (b.rows ?? 0) - (a.rows ?? 0));
              if (shown.length === 0) {
                return (
                  <Empty title={w.data.empty}>
                    <Link href="/events">{w.home.sendEvent}</Link>
                  </Empty>
                );
              }
              return (
                <ul className="stack">
                  {shown.slice(0, FEW).map((table) => (
                    <li key={`${table.schema_name}.${table.table_name}`} className="row">
                      <Link className="clip" href={path`/data/${table.schema_name}/${table.table_name}`}>
                        {table.schema_name}.{table.table_name}
                      </Link>
                      <span className="grow" />
                      <span className="quiet small num">{w.ask.rows(count(table.rows ?? 0))}</span>
                    </li>
                  ))}
                </ul>
              );
            }}
          </Loaded>
        </section>
        <section className="card stack" aria-labelledby="home-answers">
          <h2 id="home-answers">{w.home.answers}</h2>
          <Loaded of={results}>
            {(all) =>
              all.length > 0 ? (
                <ul className="stack">
                  {all.map((one) => (
                    <li key={one.id} className="row">
                      <Link className="clip mono" href={`/r/${one.id}`}>
                        {one.sql.replace(/\s+/g, " ").slice(0, 80)}
                      </Link>
                      <span className="grow" />
                      <span className="quiet small">{ago(one.created_at)}</span>
                    </li>
                  ))}
                </ul>
              ) : (
                <p className="quiet">{w.common.none}</p>
              )
            }
          </Loaded>
        </section>
      </div>
    </main>
  );
}
