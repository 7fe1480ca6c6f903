/** Tables and columns, for completion and search. */

import { useQuery } from "@tanstack/react-query";
import type { Catalogue } from "../editor/completion";
import { query } from "./rows";

export interface ColumnFact {
  table_schema: string;
  table_name: string;
  column_name: string;
  data_type: string;
}

/** The most columns that completion knows: beyond that a browser would stutter. */
const MOST = 50_000;

export function useColumns() {
  return useQuery({
    queryKey: ["columns"],
    queryFn: ({ signal }) =>
      query<ColumnFact>(
        `select table_schema, table_name, column_name, data_type from information_schema.columns
         where table_schema not in ('pg_catalog', 'information_schema')
         order by table_schema, table_name, ordinal_position limit ${MOST}`,
        [],
        signal,
      ),
    staleTime: 60_000,
  });
}

/** What is said about a table's columns where they are kept (`COMMENT ON`), by name; about the table itself by "". */
export const useComments = (schema: string, table: string) =>
  useQuery({
    queryKey: ["comments", schema, table],
    queryFn: async ({ signal }) => {
      const rows = await query<{ name: string | null; description: string }>(
        `select a.attname as name, d.description from pg_catalog.pg_description d
         join pg_catalog.pg_class c on c.oid = d.objoid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid
         where n.nspname = $1 and c.relname = $2`,
        [schema, table],
        signal,
      );
      return new Map(rows.map((row) => [row.name ?? "", row.description]));
    },
    staleTime: 60_000,
  });

/** Groups columns by schema and table. */
export function bySchema(columns: ColumnFact[]): Catalogue {
  const found: Catalogue = {};
  for (const { table_schema, table_name, column_name, data_type } of columns) {
    found[table_schema] ??= {};
    const tables = found[table_schema] as Catalogue[string];
    tables[table_name] ??= [];
    tables[table_name]?.push({ name: column_name, type: data_type });
  }
  return found;
}

/** Functions people reach for; the rest is found in docs/sql.md. */
export const FUNCTIONS = [
  "abs", "age", "approx_distinct", "array_agg", "array_length", "avg", "bool_and", "bool_or", "ceil", "coalesce", "concat", "concat_ws", "corr", "count", "cume_dist",
  "date_bin", "date_part", "date_trunc", "dense_rank", "exp", "extract", "first_value", "floor", "generate_series", "greatest", "initcap", "json_extract_path_text", "lag",
  "last_value", "lead", "least", "left", "length", "ln", "log", "lower", "lpad", "ltrim", "make_date", "max", "median", "min", "mod", "now", "ntile", "nullif",
  "percentile_cont", "position", "power", "random", "rank", "regexp_match", "regexp_replace", "repeat", "replace", "reverse", "right", "round", "row_number", "rpad", "rtrim",
  "sign", "split_part", "sqrt", "stddev", "strpos", "string_agg", "substring", "sum", "to_char", "to_date", "to_timestamp", "trim", "trunc", "unnest", "upper", "variance",
];
