/** Rows as the server streams them: parsed line by line, while they arrive. */

import { ApiError, failure, send } from "./api";

export interface Column {
  name: string;
  type: string;
}

export type Cell = unknown;
export type Row = Cell[];

/** What comes after the last row. */
export interface Tail {
  row_count: number;
  elapsed_ms: number;
  versions?: Record<string, { version: number | null; rows_in_memory: number }>;
  command?: string;
  rows_affected?: number;
  error?: { code: string; message: string; hint?: string; sqlstate?: string; position?: { line: number; column: number } };
  result?: ResultInfo;
}

/** An answer that was kept. */
export interface ResultInfo {
  id: string;
  made_by: string;
  question: string | null;
  question_version: number | null;
  sql: string;
  params: unknown[];
  reads: string[];
  versions: Record<string, { version: number | null; rows_in_memory: number }>;
  columns: Column[];
  rows: number;
  bytes: number;
  elapsed_ms: number;
  cut_off: boolean;
  private: boolean;
  pinned: boolean;
  created_at: string;
  /** Whether it was there already, because nothing it reads has changed. */
  cached?: boolean;
}

export interface Sink {
  columns(columns: Column[], id: string): void;
  rows(rows: Row[]): void;
}

/** Numbers beyond 2^53, and decimals of more digits than a double has, would be rounded: lines with such are read with care. */
const LONG = /[-:[,][\d.]{16}/;

/** Digits that a double has for certain. */
const DIGITS = 15;

type Source = { source?: string };

/** Keeps what a number would round as it was written. */
export function careful(this: unknown, _key: string, value: unknown, context?: Source): unknown {
  if (typeof value === "number" && !Number.isSafeInteger(value) && context?.source && /^-?\d+$/.test(context.source)) {
    return context.source;
  }
  if (typeof value === "number" && context?.source && /^-?\d+\.\d+$/.test(context.source) && context.source.replace(/^-?0*\.?0*|\./g, "").length > DIGITS && String(value) !== context.source) {
    return context.source;
  }
  return value;
}

/** Reads one line of JSON. */
export function parse<T>(text: string): T {
  return JSON.parse(text, LONG.test(text) ? (careful as (key: string, value: unknown) => unknown) : undefined) as T;
}

/**
 * Reads the server's JSON: a head with the columns, a row a line, a tail behind the last row.
 * Calls `sink` as rows arrive; returns the tail.
 */
export class Reader {
  private rest = "";
  private began = false;

  constructor(private readonly sink: Sink) {}

  /** Takes more of the text. */
  take(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    // A line is known to be a row only when another one follows: the last has the tail behind it.
    const last = lines.at(-1);
    if (last !== undefined && !last.endsWith(",") && !last.endsWith('"rows":[') && last.trim() !== "") {
      this.rest = `${lines.pop()}\n${this.rest}`;
    }
    const rows: Row[] = [];
    for (const line of lines) {
      if (line.trim() === "") continue;
      if (!this.began) this.begin(line);
      else rows.push(parse<Row>(line.endsWith(",") ? line.slice(0, -1) : line));
    }
    if (rows.length > 0) this.sink.rows(rows);
  }

  /** Reads what is left. */
  end(): Tail {
    const text = this.rest.trim();
    const at = text.lastIndexOf('],"row_count":');
    if (at < 0) throw new ApiError(0, "broken_off", "The answer broke off.", "Run it again.");
    let head = text.slice(0, at);
    if (!this.began) {
      const cut = head.indexOf('"rows":[') + 8;
      this.begin(head.slice(0, cut));
      head = head.slice(cut);
    }
    const rows = head
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => parse<Row>(line.endsWith(",") ? line.slice(0, -1) : line));
    if (rows.length > 0) this.sink.rows(rows);
    return parse<Tail>(`{${text.slice(at + 2)}`);
  }

  private begin(line: string): void {
    const head = JSON.parse(`${line}]}`) as { query_id: string; columns: Column[] };
    this.began = true;
    this.sink.columns(head.columns, head.query_id);
  }
}

/** Sends a request whose answer is rows, and reads them as they come. */
export async function stream(path: string, body: unknown, sink: Sink, signal?: AbortSignal): Promise<Tail> {
  const response = await send("POST", path, body, signal);
  return read(response, sink);
}

export async function read(response: Response, sink: Sink): Promise<Tail> {
  if (!response.body) throw await failure(response);
  const reader = new Reader(sink);
  const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await chunks.read();
    if (done) break;
    reader.take(value);
  }
  const tail = reader.end();
  if (tail.error) {
    const { message, code, hint, position, sqlstate } = tail.error;
    throw new ApiError(0, code, message, hint, position, sqlstate);
  }
  return tail;
}

export interface Answer {
  columns: Column[];
  rows: Row[];
  tail: Tail;
}

/** Asks, and waits for all rows. */
export async function ask(path: string, body: unknown, signal?: AbortSignal): Promise<Answer> {
  const answer: Answer = { columns: [], rows: [], tail: { row_count: 0, elapsed_ms: 0 } };
  const sink: Sink = {
    columns: (columns) => (answer.columns = columns),
    rows: (rows) => answer.rows.push(...rows),
  };
  answer.tail = await stream(path, body, sink, signal);
  return answer;
}

/** How statements of the application's own begin: what people ask is told apart from them. */
export const OWN = "/* weir: application */";

/** Asks SQL of the application's own, mostly of `weir.*`; rows come as objects. */
export async function query<T>(sql: string, params: unknown[] = [], signal?: AbortSignal): Promise<T[]> {
  const { columns, rows } = await ask("/api/v1/query", { sql: `${OWN} ${sql}`, params, format: "json" }, signal);
  return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column.name, row[i]])) as T);
}

/** A table that was read as it was stands in an answer's versions with the version behind its name. */
export const tableOf = (key: string) => key.replace(/@\d+$/, "");
