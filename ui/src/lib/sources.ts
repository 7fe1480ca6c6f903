/** Sources of events, sources that rows are fetched from, and syncs as they go on. */

import { useQuery } from "@tanstack/react-query";
import { ApiError, get, path, send } from "./api";
import { query } from "./rows";
import { quoted } from "./sqltext";

export interface EventSource {
  id: number;
  name: string;
  enabled: boolean;
  settings: { ip: string; clock: string; description: string };
}

export interface Fetched {
  source: string;
  kind: string | null;
  tables: number;
  syncing: boolean;
  problem: string | null;
  /** How its syncs went since the server's start; not all servers tell. */
  health?: { synced_at: string | null; failures: number; problem: string | null; lag: { behind_bytes: number } | null; /** When rows came last, by table. */ arrived?: Record<string, string> } | null;
}

/** A stream as its source offers it, and the table it becomes. */
export interface Offered {
  stream: string;
  taken: boolean;
  replication: string;
  replication_key: string | null;
  key: string[];
  columns: string[];
  table: string;
  exists: boolean;
}

export const useEventSources = (wanted: boolean) =>
  useQuery({
    queryKey: ["sources"],
    enabled: wanted,
    queryFn: async ({ signal }) => (await get<{ sources: EventSource[] }>("/api/v1/sources", signal)).sources,
  });

export const useFetched = (wanted: boolean) =>
  useQuery({
    queryKey: ["fetched"],
    enabled: wanted,
    queryFn: async ({ signal }) => (await get<{ sources: Fetched[] }>("/api/v1/extract", signal)).sources,
    refetchInterval: 5_000,
  });

export interface Synced {
  run: string;
  at: string;
  table: string;
  changes: number;
}

/** When rows last came from each source, as its changelogs tell. */
export const useLastLoads = (sources: string[]) =>
  useQuery({
    queryKey: ["last loads", sources],
    enabled: sources.length > 0,
    queryFn: async ({ signal }) => {
      const tables = await query<{ table_schema: string; table_name: string }>(
        "select table_schema, table_name from information_schema.columns where column_name = 'weir_loaded_at' and table_schema like 'raw_%'",
        [],
        signal,
      );
      const own = tables.filter((one) => sources.includes(one.table_schema.slice(4)));
      if (own.length === 0) return new Map<string, string>();
      const part = (one: { table_schema: string; table_name: string }) =>
        `select '${one.table_schema.slice(4).replaceAll("'", "''")}' as source, max(weir_loaded_at) as at from ${quoted(one.table_schema)}.${quoted(one.table_name)}`;
      const rows = await query<{ source: string; at: string | null }>(`select source, max(at) as at from (${own.map(part).join(" union all ")}) loads group by source`, [], signal);
      return new Map(rows.flatMap((row) => (row.at ? [[row.source, row.at] as const] : [])));
    },
    refetchInterval: 15_000,
  });

/** The newest syncs of a source, as its changelogs tell them. */
export const useSyncs = (source: string) =>
  useQuery({
    queryKey: ["syncs", source],
    queryFn: async ({ signal }) => {
      const schema = `raw_${source}`;
      const tables = await query<{ table_name: string }>(
        "select table_name from information_schema.columns where table_schema = $1 and column_name = 'weir_run' order by 1",
        [schema],
        signal,
      );
      if (tables.length === 0) return [];
      const part = (name: string) =>
        `select weir_run as run, max(weir_loaded_at) as at, '${name.replaceAll("'", "''")}' as "table", count(*) as changes from ${quoted(schema)}.${quoted(name)} group by weir_run`;
      const sql = `select * from (${tables.map((one) => part(one.table_name)).join(" union all ")}) syncs order by at desc limit 200`;
      return query<Synced>(sql, [], signal);
    },
  });

/** What a sync tells of itself while it works. */
export interface Progress {
  rows: Record<string, number>;
  committed: number;
  doing: string;
  notes: string[];
}

type SyncLine = { progress?: Progress; done?: { progress: Progress }; failed?: { message: string; causes: string[]; hint: string | null } };

export const rowsOf = (progress: Progress) => Object.values(progress.rows).reduce((sum, rows) => sum + rows, 0);

/** Fetches what is new; tells how far it is while it works. Ends when it is aborted. */
export async function sync(source: string, full: boolean, tell: (progress: Progress) => void, signal: AbortSignal): Promise<Progress | null> {
  const response = await send("POST", path`/api/v1/extract/${source}/sync`, { full_refresh: full }, signal);
  if (!response.body) return null;
  const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let last: Progress | null = null;
  for (;;) {
    const { done, value } = await chunks.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      if (text.trim() === "") continue;
      const line = JSON.parse(text) as SyncLine;
      if (line.failed) {
        const { message, causes, hint } = line.failed;
        throw new ApiError(502, "sync_failed", [message, ...causes].join(": "), hint ?? undefined);
      }
      last = line.progress ?? line.done?.progress ?? last;
      if (last) tell(last);
    }
  }
  return last;
}
