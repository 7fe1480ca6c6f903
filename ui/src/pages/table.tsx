/** One table or view: columns, a sample, versions, lineage, who uses it. */

import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { path } from "../lib/api";
import { begin, toAddress } from "../lib/builder";
import { useColumns, useComments } from "../lib/catalogue";
import { ago, bytes, count, duration, moment, zone } from "../lib/format";
import { useModels } from "../lib/models";
import { Link, setSearch, usePlace } from "../lib/router";
import { ask, OWN, query } from "../lib/rows";
import { toHash } from "../lib/sheets";
import { quotedTable } from "../lib/sqltext";
import { usePerson } from "../lib/session";
import { Badge, Button, Empty, Loaded, Tabs, useTitle } from "../parts/basics";
import { Grid, inMemory } from "../parts/grid";
import { List } from "../parts/list";
import { words as w } from "../words";
import { useTables } from "./data";
import { Lineage } from "./lineage";
import { GiveDialog, useTableOwners } from "./owner";
import { useRollups } from "./rollup";

const TABS = [
  ["columns", w.data.columns],
  ["sample", w.data.sample],
  ["versions", w.data.versions],
  ["lineage", w.data.lineage],
  ["queries", w.data.queries],
] as const;

type Tab = (typeof TABS)[number][0];

const asking = (sql: string) => `/ask#${toHash({ sql, view: "table" })}`;

export function Table({ schema, table }: { schema: string; table: string }) {
  const { search } = usePlace();
  const tables = useTables();
  const tab = TABS.find(([name]) => name === search.get("tab"))?.[0] ?? "columns";
  const name = quotedTable(schema, table);
  useTitle(`${schema}.${table}`);
  return (
    <main className="page" id="page">
      <Loaded of={tables}>
        {(all) => {
          const fact = all.find((one) => one.schema_name === schema && one.table_name === table);
          if (!fact) return <Empty title={w.failure.notFound}>{w.failure.notFoundHint}</Empty>;
          return (
            <>
              <div className="head">
                <h1>
                  <Link href="/data">{w.data.title}</Link> / <Link href={path`/data/${schema}`}>{schema}</Link> / {table}
                </h1>
                {fact.kind !== "table" && <Badge>{fact.kind}</Badge>}
                {fact.rows !== null && <Badge>{w.ask.rows(count(fact.rows))}</Badge>}
                {fact.file_bytes !== null && <Badge>{bytes(fact.file_bytes)}</Badge>}
                {(fact.rows_in_memory ?? 0) > 0 && <Badge look="good">{w.data.inMemory(count(fact.rows_in_memory ?? 0))}</Badge>}
                <div className="actions">
                  <Link className="button" href={toAddress({ ...begin({ schema, table }), zone })}>
                    {w.builder.withoutSql}
                  </Link>
                  <Link className="button main" href={asking(`select *\nfrom ${name}\nlimit 100`)}>
                    {w.data.askThis}
                  </Link>
                </div>
              </div>
              <About schema={schema} table={table} comment={fact.comment} />
              <Owned schema={schema} table={table} />
              <Tabs<Tab> label={table} value={tab} tabs={TABS} onChange={(next) => setSearch({ tab: next === "columns" ? null : next }, { push: true })} />
              {tab === "columns" && <Columns schema={schema} table={table} />}
              {tab === "sample" && <Sample name={name} />}
              {tab === "versions" && <Versions schema={schema} table={table} name={name} />}
              {tab === "lineage" && <Lineage schema={schema} table={table} />}
              {tab === "queries" && <Queries schema={schema} table={table} />}
            </>
          );
        }}
      </Loaded>
    </main>
  );
}

/** Whose it is, and which question it answers. */
function Owned({ schema, table }: { schema: string; table: string }) {
  const person = usePerson();
  const owners = useTableOwners();
  const rollups = useRollups();
  const [giving, setGiving] = useState(false);
  if (!owners.data) return null;
  const owner = owners.data.find((one) => one.schema_name === schema && one.table_name === table)?.owner ?? "";
  const kept = rollups.data?.find((one) => one.schema_name === schema && one.table_name === table);
  const may = person.may.admin || owner === person.name;
  return (
    <div className="row wrap quiet">
      <span>{owner ? w.owners.owned(owner) : w.owners.nobody}</span>
      {may && (
        <Button look="plain" onClick={() => setGiving(true)}>
          {w.owners.title}
        </Button>
      )}
      {kept && (
        <>
          <span>{w.rollups.from}</span>
          <Link href={path`/q/${kept.question}`}>{kept.name}</Link>
        </>
      )}
      {giving && <GiveDialog address={path`/api/v1/tables/${schema}/${table}/owner`} name={`${schema}.${table}`} owner={owner} onClose={() => setGiving(false)} />}
    </div>
  );
}

/** The model, seed or the like that makes a table, as the project's files describe it. */
function useMaker(schema: string, table: string) {
  const models = useModels();
  return models.data?.models.find((model) => model.schema === schema && model.table === table);
}

/** What is said about it: in its comment, else in the project's files. */
function About({ schema, table, comment }: { schema: string; table: string; comment: string | null }) {
  const comments = useComments(schema, table);
  const maker = useMaker(schema, table);
  const said = comment ?? comments.data?.get("") ?? maker?.description;
  if (!said && !maker) return null;
  return (
    <div className="row wrap quiet">
      {said && <p className="prose">{said}</p>}
      {maker && (
        <Link className="small" href={path`/models/${maker.asset}`}>
          {w.data.madeBy(w.models.kinds[maker.kind] ?? maker.kind, maker.name)}
        </Link>
      )}
    </div>
  );
}

function Columns({ schema, table }: { schema: string; table: string }) {
  const columns = useColumns();
  const comments = useComments(schema, table);
  const maker = useMaker(schema, table);
  const aboutOf = (column: string) => comments.data?.get(column) ?? maker?.columns.find((one) => one.name === column)?.description ?? "";
  return (
    <Loaded of={columns}>
      {(all) => (
        <List
          card
          label={w.data.columns}
          rows={all.filter((one) => one.table_schema === schema && one.table_name === table)}
          keyOf={(one) => one.column_name}
          columns={[
            { head: w.common.name, cell: (one) => one.column_name },
            { head: w.data.type, cell: (one) => <code className="quiet">{one.data_type}</code> },
            { head: w.common.description, cell: (one) => { const about = aboutOf(one.column_name); return about && <span className="prose">{about}</span>; } },
          ]}
        />
      )}
    </Loaded>
  );
}

function Sample({ name }: { name: string }) {
  const sample = useQuery({
    queryKey: ["sample", name],
    queryFn: ({ signal }) => ask("/api/v1/query", { sql: `${OWN} select * from ${name} limit 100`, format: "json" }, signal),
  });
  return (
    <Loaded of={sample}>
      {(answer) =>
        answer.rows.length === 0 ? (
          <Empty title={w.ask.noRows} />
        ) : (
          <div className="card pane" style={{ height: "60vh", padding: 0 }}>
            <Grid source={inMemory(answer.columns, answer.rows)} label={w.data.sample} />
          </div>
        )
      }
    </Loaded>
  );
}

interface Commit {
  version: number;
  committed_at: string;
  operation: string;
  writer: string | null;
  rows_added: number | null;
  rows_removed: number | null;
}

function Versions({ schema, table, name }: { schema: string; table: string; name: string }) {
  const commits = useQuery({
    queryKey: ["commits", schema, table],
    queryFn: ({ signal }) =>
      query<Commit>(
        `select version, committed_at, operation, writer, rows_added, rows_removed from weir.commits
         where schema_name = $1 and table_name = $2 order by version desc limit 200`,
        [schema, table],
        signal,
      ),
  });
  return (
    <Loaded of={commits}>
      {(all) =>
        all.length === 0 ? (
          <Empty title={w.common.none} />
        ) : (
          <List
            card
            label={w.data.versions}
            rows={all}
            keyOf={(one) => one.version}
            columns={[
              { head: w.data.version, number: true, cell: (one) => one.version },
              {
                head: w.data.at,
                cell: (one) => (
                  <span title={one.committed_at}>
                    {moment(one.committed_at)} <span className="quiet">{ago(one.committed_at)}</span>
                  </span>
                ),
              },
              { head: w.data.operation, cell: (one) => one.operation },
              { head: w.data.writer, cell: (one) => one.writer && <span className="quiet">{one.writer}</span> },
              { head: w.data.added, number: true, cell: (one) => one.rows_added !== null && count(one.rows_added) },
              { head: w.data.removed, number: true, cell: (one) => one.rows_removed !== null && count(one.rows_removed) },
              { head: w.data.askThis, quiet: true, cell: (one) => <Link href={asking(`select *\nfrom ${name} for version as of ${one.version}\nlimit 100`)}>{w.data.asOfVersion(one.version)}</Link> },
            ]}
          />
        )
      }
    </Loaded>
  );
}

interface Use {
  caller: string;
  queries: number;
  last_at: string;
  ms: number;
}

function Queries({ schema, table }: { schema: string; table: string }) {
  const full = useMemo(() => `${schema}.${table}`, [schema, table]);
  const uses = useQuery({
    queryKey: ["uses", full],
    queryFn: ({ signal }) =>
      query<Use>(
        `select caller, count(*) as queries, max(started_at) as last_at, sum(elapsed_ms) as ms
         from weir.queries where $1 = any(tables) and not starts_with(sql, $2) group by caller order by queries desc`,
        [full, OWN],
        signal,
      ),
  });
  return (
    <Loaded of={uses}>
      {(all) =>
        all.length === 0 ? (
          <Empty title={w.usage.empty} />
        ) : (
          <List
            card
            label={w.data.queries}
            rows={all}
            keyOf={(one) => one.caller}
            columns={[
              { head: w.usage.user, cell: (one) => one.caller },
              { head: w.usage.queries, number: true, cell: (one) => count(one.queries) },
              { head: w.usage.time, number: true, cell: (one) => duration(one.ms) },
              { head: w.data.at, cell: (one) => ago(one.last_at) },
            ]}
          />
        )
      }
    </Loaded>
  );
}
