/** The catalogue: schemas and what is in them. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { path } from "../lib/api";
import { bySchema, useColumns } from "../lib/catalogue";
import { bytes, count } from "../lib/format";
import { useModels } from "../lib/models";
import { Link, setSearch, usePlace } from "../lib/router";
import { query } from "../lib/rows";
import { usePerson } from "../lib/session";
import { Badge, Empty, Loaded, Text, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";
import { useTableOwners } from "./owner";

export interface TableFact {
  schema_name: string;
  table_name: string;
  kind: string;
  columns: number | null;
  rows: number | null;
  rows_in_memory: number | null;
  file_bytes: number | null;
  version: number | null;
  comment: string | null;
}

export const useTables = () =>
  useQuery({
    queryKey: ["tables"],
    queryFn: ({ signal }) =>
      query<TableFact>(
        `select schema_name, table_name, kind, columns, rows, rows_in_memory, file_bytes, version, comment
         from weir.tables order by schema_name, table_name`,
        [],
        signal,
      ),
  });

/** What is said about a table, where it is kept or in the files of the model that makes it. */
export function useAbout(): (table: TableFact) => string {
  const models = useModels();
  return (table) => table.comment ?? models.data?.models.find((model) => model.schema === table.schema_name && model.table === table.table_name)?.description ?? "";
}

const SYSTEM = new Set(["weir", "pg_catalog", "information_schema"]);

/** What a schema is for, by its name. */
export function schemaKind(schema: string, own: string): string {
  if (SYSTEM.has(schema)) return w.data.kinds.system;
  if (schema.startsWith("raw_")) return w.data.kinds.raw;
  if (schema.startsWith("mart_")) return w.data.kinds.mart;
  if (schema === own) return w.data.person;
  return "";
}

/** Schemas as people look for them: what was made to be asked comes first; raw copies, and what is about Weir itself, last. */
export const bySense = (a: string, b: string): number => rank(a) - rank(b) || a.localeCompare(b);

const rank = (schema: string) => (SYSTEM.has(schema) ? 3 : schema.startsWith("raw_") ? 2 : schema === "main" || schema.startsWith("mart_") ? 0 : 1);

export function Data({ schema }: { schema?: string }) {
  useTitle(schema ?? w.data.title);
  const tables = useTables();
  const person = usePerson();
  const owners = useTableOwners();
  const ownerOf = (table: TableFact) => owners.data?.find((one) => one.schema_name === table.schema_name && one.table_name === table.table_name)?.owner;
  const about = useAbout();
  const catalogue = useColumns();
  const known = useMemo(() => bySchema(catalogue.data ?? []), [catalogue.data]);
  // Of views the catalogue says how many there are.
  const columnsOf = (table: TableFact) => known[table.schema_name]?.[table.table_name]?.length;
  const { search } = usePlace();
  const filter = search.get("q") ?? "";
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>
          {schema ? (
            <>
              <Link href="/data">{w.data.title}</Link> / {schema}
            </>
          ) : (
            w.data.title
          )}
        </h1>
        <Text type="search" aria-label={w.common.filter} placeholder={w.common.filter} style={{ width: 220 }} value={filter} onChange={(event) => setSearch({ q: event.target.value })} />
      </div>
      <Loaded of={tables}>
        {(all) => {
          const fits = (table: TableFact) => `${table.schema_name}.${table.table_name} ${about(table)}`.toLowerCase().includes(filter.toLowerCase());
          const shown = all.filter((table) => (schema === undefined || table.schema_name === schema) && fits(table));
          const schemas = [...new Set(shown.map((table) => table.schema_name))].sort(bySense);
          if (!all.some((table) => !SYSTEM.has(table.schema_name)) && !schema) return <Nothing />;
          if (shown.length === 0) return <Empty title={w.failure.notFound}>{w.failure.notFoundHint}</Empty>;
          return (
            <div className="stack">
              {schemas.map((name) => {
                const own = shown.filter((table) => table.schema_name === name);
                const kind = schemaKind(name, person.schema);
                return (
                  <details key={name} open={!SYSTEM.has(name) || schema !== undefined} className="card">
                    <summary className="row">
                      <h2>{name}</h2> {kind && <Badge>{kind}</Badge>} <span className="quiet small">{w.data.count(own.length)}</span>
                    </summary>
                    <List
                      even
                      label={name}
                      rows={own}
                      keyOf={(table) => table.table_name}
                      columns={[
                        {
                          head: w.data.table,
                          cell: (table) => (
                            <>
                              <Link href={path`/data/${table.schema_name}/${table.table_name}`}>{table.table_name}</Link> {table.kind !== "table" && <Badge>{table.kind}</Badge>}
                              {about(table) && <div className="quiet small">{about(table)}</div>}
                            </>
                          ),
                        },
                        { head: w.owners.owner, cell: ownerOf },
                        { head: w.data.columns, number: true, cell: (table) => table.columns ?? columnsOf(table) },
                        { head: w.data.rows, number: true, cell: (table) => table.rows !== null && count(table.rows) },
                        { head: w.data.size, number: true, cell: (table) => table.file_bytes !== null && bytes(table.file_bytes) },
                        { head: w.data.version, number: true, cell: (table) => table.version },
                      ]}
                    />
                  </details>
                );
              })}
            </div>
          );
        }}
      </Loaded>
    </main>
  );
}

function Nothing() {
  return (
    <Empty title={w.data.empty}>
      <p>{w.data.emptyText}</p>
      <Link className="button" href="/events">
        {w.home.sendEvent}
      </Link>
    </Empty>
  );
}
