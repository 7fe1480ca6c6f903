/** What the project's files build and read. */

import { useQuery } from "@tanstack/react-query";
import { get, path } from "./api";
import { query } from "./rows";

export interface ModelTest {
  id: string;
  name: string;
  column: string | null;
  severity: string;
  refers_to: { schema: string; table: string; column: string } | null;
}

export interface Model {
  asset: string;
  name: string;
  kind: string;
  materialized: string | null;
  schema: string;
  table: string;
  description: string;
  owner: string | null;
  tags: string[];
  file: string;
  /** The question that a rollup answers. */
  question?: string | null;
  code?: string;
  columns: { name: string; description: string; data_type: string | null }[];
  tests: ModelTest[];
  primary_key: string[];
  reads: string[];
  feeds: string[];
  schedules: string[];
}

export const useModels = () =>
  useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => get<{ models: Model[]; problem: string | null }>("/api/v1/models", signal),
    staleTime: 30_000,
  });

export const useModel = (asset: string) =>
  useQuery({
    queryKey: ["models", asset],
    queryFn: ({ signal }) => get<Model>(path`/api/v1/models/${asset}`, signal),
  });

export interface LastStep {
  asset: string;
  run_id: number;
  state: string;
  reason: string | null;
  started_at: string | null;
  ended_at: string | null;
}

export interface Publication {
  published_at: string;
  changes: string;
}

/** Finds when each table and view was last published, the newest publications first. */
export function builtAt(publications: readonly Publication[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { published_at, changes } of publications) {
    let changed: { tables?: TableName[]; views?: TableName[] } | null;
    try {
      changed = JSON.parse(changes);
    } catch {
      continue;
    }
    for (const { schema, name } of [...(changed?.tables ?? []), ...(changed?.views ?? [])]) {
      const key = tableKey(schema, name);
      if (!found.has(key)) found.set(key, published_at);
    }
  }
  return found;
}

interface TableName {
  schema: string;
  name: string;
}

/** A table among others; names may have dots. */
export const tableKey = (schema: string, table: string) => JSON.stringify([schema, table]);

/** When the newest publications that no run made, such as those of `weir build`, published each table and view. */
export const useBuilt = () =>
  useQuery({
    queryKey: ["built"],
    queryFn: async ({ signal }) =>
      builtAt(
        await query<Publication>(
          `select published_at, changes from weir.publications
           where state = 'published' and coalesce(about, '') not like '%"run":%' order by published_at desc limit 200`,
          [],
          signal,
        ),
      ),
    staleTime: 5_000,
  });

/** The newest step of each asset; nothing for those who may not see runs. */
export const useLastSteps = () =>
  useQuery({
    queryKey: ["last steps"],
    queryFn: async ({ signal }) => {
      const rows = await query<LastStep>(
        `select asset, run_id, state, reason, started_at, ended_at from (
           select *, row_number() over (partition by asset order by step_id desc) as nth from weir.steps
         ) newest where nth = 1`,
        [],
        signal,
      );
      return new Map(rows.map((row) => [row.asset, row]));
    },
    staleTime: 5_000,
  });
