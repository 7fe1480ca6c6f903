/** Running a statement: what is there while it runs, when it is done, and when it failed. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { RowSource } from "../parts/grid";
import { ApiError, send } from "./api";
import { type Column, type ResultInfo, type Row, read, stream, type Tail } from "./rows";
import { isQuestion } from "./sqltext";

/** Rows that come with the answer itself; further ones are fetched as they are scrolled to. */
const FIRST_ROWS = 5_000;

/** Rows of a page that is fetched. */
const PAGE = 1_000;

/** Pages that are kept: with them, a million rows take as much memory as fifty thousand. */
const PAGES = 50;

export interface Asked {
  sql: string;
  /** Values of `{{name}}`. */
  params?: Record<string, unknown>;
  question?: { id: string; version?: number };
  /** Values of `$1` and so on, of a statement whose answer is not kept. */
  bound?: unknown[];
  /** Whether to ask again although nothing has changed. */
  fresh?: boolean;
}

export interface Run {
  state: "idle" | "running" | "done" | "failed";
  asked?: Asked;
  startedAt: number;
  columns: Column[];
  rows: Row[];
  tail?: Tail;
  error?: ApiError;
  cancelled?: boolean;
}

const idle: Run = { state: "idle", startedAt: 0, columns: [], rows: [] };

/** Asks for an answer that is kept; its rows are the first ones. */
export async function askKept(asked: Asked, rows: number, signal?: AbortSignal) {
  const answer = { columns: [] as Column[], rows: [] as Row[] };
  const sink = {
    columns: (columns: Column[]) => {
      answer.columns = columns;
    },
    rows: (more: Row[]) => {
      for (const row of more) answer.rows.push(row);
    },
  };
  const tail = await stream("/api/v1/results", body(asked, rows), sink, signal);
  return { ...answer, tail };
}

function body(asked: Asked, rows: number): unknown {
  return {
    ...(asked.question ? { question: asked.question.id, version: asked.question.version } : { sql: asked.sql }),
    params: asked.params,
    rows,
    fresh: asked.fresh,
  };
}

/** Runs one statement at a time. */
export function useRun() {
  const [run, setRun] = useState<Run>(idle);
  const stop = useRef<AbortController | null>(null);
  const start = useCallback(async (asked: Asked): Promise<Run> => {
    stop.current?.abort();
    const own = new AbortController();
    stop.current = own;
    const now: Run = { ...idle, state: "running", asked, startedAt: performance.now(), rows: [] };
    setRun(now);
    let due = 0;
    const show = () => {
      cancelAnimationFrame(due);
      due = requestAnimationFrame(() => {
        if (stop.current === own && now.state === "running") setRun({ ...now });
      });
    };
    const sink = {
      columns: (columns: Column[]) => {
        now.columns = columns;
        show();
      },
      rows: (rows: Row[]) => {
        for (const row of rows) now.rows.push(row);
        show();
      },
    };
    try {
      const kept = asked.question !== undefined || isQuestion(asked.sql);
      now.tail = kept
        ? await stream("/api/v1/results", body(asked, FIRST_ROWS), sink, own.signal)
        : await stream("/api/v1/query", { sql: asked.sql, params: asked.bound, format: "json" }, sink, own.signal);
      now.state = "done";
    } catch (error) {
      now.state = "failed";
      now.cancelled = own.signal.aborted;
      now.error = error instanceof ApiError ? error : new ApiError(0, "unreachable", "The connection broke off.", "Run it again.");
    }
    if (stop.current === own) setRun({ ...now });
    return now;
  }, []);
  const cancel = useCallback(() => stop.current?.abort(), []);
  const reset = useCallback(() => {
    stop.current?.abort();
    setRun(idle);
  }, []);
  useEffect(() => () => stop.current?.abort(), []);
  return { run, start, cancel, reset };
}

/** Reads rows of an answer that was kept. */
export async function pageOf(id: string, offset: number, limit: number, signal?: AbortSignal): Promise<{ columns: Column[]; rows: Row[] }> {
  const found = { columns: [] as Column[], rows: [] as Row[] };
  const response = await send("GET", `/api/v1/results/${encodeURIComponent(id)}/rows?offset=${offset}&limit=${limit}&format=json`, undefined, signal);
  await read(response, {
    columns: (columns) => {
      found.columns = columns;
    },
    rows: (rows) => {
      for (const row of rows) found.rows.push(row);
    },
  });
  return found;
}

/** Returns all rows of an answer for a grid: the first from memory, the rest as they are needed. */
export function useRows(columns: Column[], first: Row[], result: ResultInfo | undefined): RowSource {
  const [, drawn] = useState(0);
  const [lost, setLost] = useState<{ store: unknown; error: Error } | null>(null);
  const store = useMemo(() => ({ pages: new Map<number, Row[]>(), asked: new Set<number>() }), [result?.id]);
  const known = first.length;
  const count = result ? Math.max(result.rows, known) : known;
  return useMemo<RowSource>(() => {
    const fetchPage = (page: number) => {
      if (!result || store.asked.has(page)) return;
      store.asked.add(page);
      pageOf(result.id, page * PAGE, PAGE)
        .then(({ rows }) => {
          store.pages.set(page, rows);
          const [oldest] = store.pages.keys();
          if (store.pages.size > PAGES && oldest !== undefined) {
            store.pages.delete(oldest);
            store.asked.delete(oldest);
          }
          setLost(null);
          drawn((n) => n + 1);
        })
        .catch((error: unknown) => {
          store.asked.delete(page);
          setLost({ store, error: error instanceof Error ? error : new Error(String(error)) });
        });
    };
    const need = (from: number, to: number) => {
      if (to < known) return;
      for (let page = Math.floor(Math.max(from, known) / PAGE); page <= Math.floor(to / PAGE); page += 1) fetchPage(page);
    };
    return {
      columns,
      count,
      loaded: known,
      row: (i) => (i < known ? first[i] : store.pages.get(Math.floor(i / PAGE))?.[i % PAGE]),
      need,
      lost: lost?.store === store ? lost.error : undefined,
    };
  }, [columns, first, known, count, result, store, lost]);
}
