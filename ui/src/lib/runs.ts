/** Runs, schedules and backfills as the server tells them. */

import { useQuery } from "@tanstack/react-query";
import { api, get, path } from "./api";

export type State = "queued" | "running" | "succeeded" | "failed" | "cancelled" | "skipped";

export const STATES: readonly State[] = ["queued", "running", "succeeded", "failed", "cancelled", "skipped"];

export interface Run {
  id: number;
  schedule: string | null;
  cause: string;
  caused_by: string | null;
  scheduled_at: string | null;
  partition: string | null;
  backfill: number | null;
  rerun_of: number | null;
  state: State;
  reason: string | null;
  held: boolean;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  steps: Record<State, number>;
}

export interface Attempt {
  id: number;
  number: number;
  state: State;
  class: string | null;
  reason: string | null;
  started_at: string;
  ended_at: string | null;
}

export interface Step {
  id: number;
  asset: string;
  kind: string;
  table: string | null;
  state: State;
  reason: string | null;
  waits_for: number;
  retry_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  attempts: Attempt[];
}

export interface RunDetail extends Run {
  inputs: { table: string; from?: number | string; to?: number | string }[];
  details: Step[];
}

export interface Line {
  step: number;
  asset: string;
  attempt: number;
  number: number;
  line: number;
  at: string;
  text: string;
}

export interface Schedule {
  name: string;
  trigger: string;
  definition: string;
  zone: string | null;
  steps: number;
  paused_at: string | null;
  next_at: string | null;
  deadline_at: string | null;
  last_run: Run | null;
  /** The dashboard it sends. */
  dashboard?: string | null;
}

export interface Backfill {
  id: number;
  state: string;
  assets: string[];
  chunk: number;
  paused_at: string | null;
  total: number;
  waiting: number;
  open: number;
  succeeded: number;
  failed: number;
  cancelled: number;
}

export const isOpen = (state: string) => state === "queued" || state === "running";

/** How often a page looks again: soon while something works, seldom else. */
const soon = (open: boolean) => (open ? 1_000 : 5_000);

export interface Filter {
  schedule?: string;
  state?: string;
  before?: number;
}

/** Runs of a page of the list. */
export const PAGE = 50;

export const useRuns = (filter: Filter, wanted: boolean) =>
  useQuery({
    queryKey: ["runs", filter],
    enabled: wanted,
    queryFn: async ({ signal }) => {
      const search = new URLSearchParams({ limit: String(PAGE) });
      for (const [name, value] of Object.entries(filter)) if (value) search.set(name, String(value));
      return (await get<{ runs: Run[] }>(`/api/v1/runs?${search}`, signal)).runs;
    },
    placeholderData: (before) => before,
    refetchInterval: ({ state }) => soon(state.data?.some((run) => isOpen(run.state)) ?? false),
  });

export const useRun = (id: string) =>
  useQuery({
    queryKey: ["run", id],
    queryFn: ({ signal }) => get<RunDetail>(path`/api/v1/runs/${id}`, signal),
    refetchInterval: ({ state }) => (state.data && !isOpen(state.data.state) ? false : 1_000),
  });

export const useLog = (id: string, step: string | null, open: boolean) =>
  useQuery({
    queryKey: ["run log", id, step, open],
    queryFn: ({ signal }) => get<{ state: State; lines: Line[] }>(`${path`/api/v1/runs/${id}/logs`}${step ? `?${new URLSearchParams({ step })}` : ""}`, signal),
    placeholderData: (before) => before,
    refetchInterval: ({ state }) => (state.data && !isOpen(state.data.state) ? false : 1_000),
  });

export const useSchedules = (wanted: boolean) =>
  useQuery({
    queryKey: ["schedules"],
    enabled: wanted,
    queryFn: ({ signal }) => get<{ schedules: Schedule[]; problem: string | null }>("/api/v1/schedules", signal),
    refetchInterval: 5_000,
  });

/** Which of the schedules send a dashboard. */
export const deliveriesOf = (schedules: readonly Pick<Schedule, "name" | "dashboard">[]) =>
  schedules.flatMap(({ name, dashboard }) => (dashboard && name.startsWith("delivery.") ? [{ id: name.slice("delivery.".length), dashboard }] : []));

export const useBackfills = (wanted: boolean) =>
  useQuery({
    queryKey: ["backfills"],
    enabled: wanted,
    queryFn: async ({ signal }) => (await get<{ backfills: Backfill[] }>("/api/v1/backfills", signal)).backfills,
    refetchInterval: 5_000,
  });

export const startRun = (select: string[]) => api<{ run: number }>("POST", "/api/v1/runs", { select });

export const retryRun = (id: number, what: { from_failed?: boolean; select?: string[] }) => api<{ run: number }>("POST", path`/api/v1/runs/${id}/retry`, what);

/** An asset's own name: `model.shop.orders` is `orders`. */
export const shortName = (asset: string) => asset.split(".").slice(asset.startsWith("step.") ? 1 : 2).join(".") || asset;

/** Milliseconds between two moments; up to now while the second has not come. */
export const span = (from: string | null, to: string | null, now = Date.now()): number | null => (from ? Math.max(0, (to ? Date.parse(to) : now) - Date.parse(from)) : null);
