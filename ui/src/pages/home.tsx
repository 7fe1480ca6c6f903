/** What somebody finds when they come in. */

import { useQuery } from "@tanstack/react-query";
import { latest } from "../lib/answers";
import { get, path } from "../lib/api";
import { type Document, useDocuments } from "../lib/documents";
import { ago, count } from "../lib/format";
import { useLastSteps } from "../lib/models";
import { Link } from "../lib/router";
import type { ResultInfo } from "../lib/rows";
import { shortName } from "../lib/runs";
import { usePerson } from "../lib/session";
import { Badge, Empty, Loaded, useTitle } from "../parts/basics";
import { words as w } from "../words";
import { schemaKind, useTables } from "./data";
import { useTableOwners } from "./owner";

const FEW = 8;

/** What one made first, then what somebody vouches for, then the newest. */
function ranked(all: Document[], me: string): Document[] {
  const rank = (one: Document) => Number(one.certified) * 2 + Number(one.owner === me);
  return [...all].sort((a, b) => rank(b) - rank(a) || b.updated_at.localeCompare(a.updated_at));
}

function Documents({ all, to }: { all: Document[]; to: "q" | "d" }) {
  const me = usePerson().name;
  return (
    <ul className="stack">
      {ranked(all, me).slice(0, FEW).map((one) => (
        <li key={one.id} className="row">
          <Link className="clip" href={`/${to}/${one.id}`}>
            {one.name}
          </Link>
          {one.certified && <Badge look="good">{w.questions.certified}</Badge>}
          {one.owner !== me && <span className="quiet small">{w.common.by(one.owner)}</span>}
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
    queryFn: async ({ signal }) => (await get<{ results: ResultInfo[] }>("/api/v1/results?limit=40", signal)).results,
    select: (all) => latest(all),
  });
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.home.hello(person.name)}</h1>
        <div className="actions">
          <Link className="button" href="/build">
            {w.builder.withoutSql}
          </Link>
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
                <Documents all={all} to="q" />
              ) : (
                <Empty title={w.questions.empty}>
                  <p>{w.home.firstText}</p>
                  <Link href="/ask">{w.home.askFirst}</Link>
                </Empty>
              )
            }
          </Loaded>
        </section>
        <Certified />
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
        <Mine />
        {person.may.operate && <Failed />}
        <section className="card stack" aria-labelledby="home-answers">
          <h2 id="home-answers">{w.home.answers}</h2>
          <Loaded of={results}>
            {(all) =>
              all.length > 0 ? (
                <ul className="stack">
                  {all.map((one) => (
                    <li key={one.id} className="row">
                      <Answered answer={one} question={questions.data?.find((known) => known.id === one.question)} />
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

/** An answer by the name of its question; by its SQL where nobody gave it one. */
function Answered({ answer, question }: { answer: ResultInfo; question: Document | undefined }) {
  return (
    <Link className={question ? "clip" : "clip mono"} href={`/r/${answer.id}`}>
      {question?.name ?? answer.sql.replace(/\s+/g, " ").slice(0, 80)}
    </Link>
  );
}

/** What somebody vouches for, whoever made it; nothing where nobody does. */
function Certified() {
  const questions = useDocuments("questions");
  const dashboards = useDocuments("dashboards");
  const vouched = [...(dashboards.data ?? []), ...(questions.data ?? [])].filter((one) => one.certified);
  if (vouched.length === 0) return null;
  return (
    <section className="card stack" aria-labelledby="home-certified">
      <h2 id="home-certified">{w.home.certified}</h2>
      <p className="quiet small">{w.home.certifiedHint}</p>
      <ul className="stack">
        {vouched
          .sort((a, b) => b.updated_at.localeCompare(a.updated_at))
          .slice(0, 2 * FEW)
          .map((one) => (
            <li key={one.id} className="row">
              <Link className="clip" href={one.kind === "dashboard" ? `/d/${one.id}` : `/q/${one.id}`}>
                {one.name}
              </Link>
              {one.description && <span className="clip quiet small">{one.description}</span>}
              <span className="grow" />
              <span className="quiet small">{one.kind === "dashboard" ? w.dashboards.one : w.questions.one}</span>
            </li>
          ))}
      </ul>
    </section>
  );
}

/** What one answers for, of every kind. */
function Mine() {
  const me = usePerson().name;
  const questions = useDocuments("questions");
  const dashboards = useDocuments("dashboards");
  const tables = useTableOwners();
  const mine = [
    ...(dashboards.data ?? []).filter((one) => one.owner === me).map((one) => ({ key: one.id, href: `/d/${one.id}`, name: one.name, kind: w.dashboards.one })),
    ...(questions.data ?? []).filter((one) => one.owner === me).map((one) => ({ key: one.id, href: `/q/${one.id}`, name: one.name, kind: w.questions.one })),
    ...(tables.data ?? []).filter((one) => one.owner === me).map((one) => ({ key: `${one.schema_name}.${one.table_name}`, href: path`/data/${one.schema_name}/${one.table_name}`, name: `${one.schema_name}.${one.table_name}`, kind: w.data.table.toLowerCase() })),
  ];
  return (
    <section className="card stack" aria-labelledby="home-mine">
      <h2 id="home-mine">{w.owners.mine}</h2>
      {mine.length === 0 ? (
        // What is not known yet is not nothing.
        <Loaded of={questions}>{() => <Loaded of={dashboards}>{() => <Loaded of={tables}>{() => <p className="quiet">{w.owners.none}</p>}</Loaded>}</Loaded>}</Loaded>
      ) : (
        <ul className="stack">
          {mine.slice(0, 2 * FEW).map((one) => (
            <li key={one.key} className="row">
              <Link className="clip" href={one.href}>
                {one.name}
              </Link>
              <span className="grow" />
              <span className="quiet small">{one.kind}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** What somebody has to look at: steps whose newest try failed. */
function Failed() {
  const steps = useLastSteps();
  return (
    <section className="card stack" aria-labelledby="home-failed">
      <h2 id="home-failed">{w.home.models}</h2>
      <Loaded of={steps}>
        {(all) => {
          const failed = [...all.values()].filter((step) => step.state === "failed");
          if (failed.length === 0) return <p className="quiet">{w.home.allWell}</p>;
          return (
            <ul className="stack">
              {failed.slice(0, FEW).map((step) => (
                <li key={step.asset} className="row">
                  <Link className="clip" href={`/runs/${step.run_id}?step=${encodeURIComponent(step.asset)}`}>
                    {shortName(step.asset)}
                  </Link>
                  <span className="clip quiet small">{step.reason}</span>
                  <span className="grow" />
                  <span className="quiet small">{ago(step.ended_at)}</span>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </section>
  );
}
