/** A question put together from parts, and the SQL it becomes. Nothing here asks anything. */

import type { ChartSpec } from "../charts/spec";
import { isInstant, isNumber, isTime } from "./format";
import type { ColumnFact } from "./catalogue";
import type { Parameter } from "./documents";
import type { Model } from "./models";
import { quoted, quotedTable } from "./sqltext";

export interface TableName {
  schema: string;
  table: string;
}

/** A column: of the table one begins with (0), or of the nth that is joined to it. */
export interface Ref {
  at: number;
  column: string;
}

export interface Join extends TableName {
  /** What of the tables before it equals which column of it. */
  from: Ref;
  column: string;
}

export type Op = "is" | "not" | "in" | "contains" | "starts" | "more" | "least" | "less" | "most" | "between" | "last" | "before" | "since" | "empty" | "filled" | "true" | "false" | "asked";

export interface Filter {
  ref: Ref;
  op: Op;
  value?: string;
  /** The other end of `between`; the unit of `last`. */
  other?: string;
}

export const GRAINS = ["hour", "day", "week", "month", "quarter", "year"] as const;
export type Grain = (typeof GRAINS)[number];

export interface Group {
  ref: Ref;
  grain?: Grain;
}

export const FUNCTIONS = ["count", "distinct", "sum", "avg", "min", "max", "median"] as const;

export interface Measure {
  fn: (typeof FUNCTIONS)[number];
  ref?: Ref;
}

export interface Builder {
  table: TableName;
  joins: Join[];
  filters: Filter[];
  groups: Group[];
  measures: Measure[];
  /** Which column of the answer, from 0, comes first. */
  sort?: { column: string; down: boolean };
  limit: number;
  /** In which days and hours begin. */
  zone?: string;
}

export const LIMIT = 1_000;

export const begin = (table: TableName): Builder => ({ table, joins: [], filters: [], groups: [], measures: [], limit: LIMIT });

/** What may be asked of a column of a type. */
export function opsOf(type: string): readonly Op[] {
  if (type === "boolean") return ["true", "false", "asked", "empty", "filled"];
  if (isNumber(type)) return ["is", "not", "more", "least", "less", "most", "between", "asked", "empty", "filled"];
  if (isTime(type)) return ["last", "since", "before", "between", "asked", "empty", "filled"];
  return ["is", "not", "in", "contains", "starts", "asked", "empty", "filled"];
}

/** How many values an operator takes. */
export const valuesOf = (op: Op): 0 | 1 | 2 => (op === "between" || op === "last" ? 2 : ["empty", "filled", "true", "false", "asked"].includes(op) ? 0 : 1);

export const typeOf = (builder: Builder, columns: ColumnFact[], ref: Ref): string => {
  const table = ref.at === 0 ? builder.table : builder.joins[ref.at - 1];
  return columns.find((one) => one.table_schema === table?.schema && one.table_name === table?.table && one.column_name === ref.column)?.data_type ?? "text";
};

const text = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** Writes a value as SQL reads it: numbers as such only where they are some. */
function literal(value: string, type: string): string {
  if (isNumber(type)) return /^\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*$/.test(value) ? value.trim() : "null";
  if (isTime(type)) return `${isInstant(type) ? "timestamp" : "date"} ${text(value)}`;
  return text(value);
}

/** Text that `like` takes as it is. */
const like = (value: string) => value.replace(/[\\%_]/g, (found) => `\\${found}`);

const UNITS = ["minutes", "hours", "days", "weeks", "months"] as const;
export const LAST_UNITS: readonly string[] = UNITS;

/** Whether a filter says all that it needs: one that is being written is left out. */
export function isWhole(filter: Filter): boolean {
  const wanted = valuesOf(filter.op);
  if (wanted >= 1 && !filter.value?.trim()) return false;
  return wanted < 2 || Boolean(filter.other?.trim());
}

function condition(column: string, type: string, { op, value = "", other = "" }: Filter): string {
  const one = () => literal(value, type);
  switch (op) {
    case "is":
      return `${column} = ${one()}`;
    case "not":
      return `${column} is distinct from ${one()}`;
    case "in":
      return `${column} in (${value.split(",").map((part) => part.trim()).filter(Boolean).map((part) => literal(part, type)).join(", ")})`;
    case "contains":
      return `${column} ilike ${text(`%${like(value)}%`)}`;
    case "starts":
      return `${column} ilike ${text(`${like(value)}%`)}`;
    case "more":
      return `${column} > ${one()}`;
    case "least":
    case "since":
      return `${column} >= ${one()}`;
    case "less":
    case "before":
      return `${column} < ${one()}`;
    case "most":
      return `${column} <= ${one()}`;
    case "between":
      return `${column} between ${one()} and ${literal(other, type)}`;
    case "last": {
      const unit = UNITS.find((known) => known === other) ?? "days";
      const amount = Math.max(1, Math.round(Number(value)) || 1);
      return `${column} >= now() - interval '${amount} ${unit}'`;
    }
    case "empty":
      return `${column} is null`;
    case "filled":
      return `${column} is not null`;
    case "true":
      return column;
    case "false":
      return `not ${column}`;
    case "asked":
      // Its parameters are known to the whole question only.
      return "true";
  }
}

/** What time is asked by, so that a dashboard's filter of a period sets it in all of its questions. */
const PERIOD = "period";

/** The type that a column's values are asked for as. */
const askedType = (type: string): Parameter["type"] => (isNumber(type) ? "number" : type === "boolean" ? "boolean" : "text");

interface Asking {
  filter: Filter;
  /** Null and anything are the same: who says nothing is asked nothing. */
  condition(column: string): string;
  parameters: Parameter[];
}

/** Returns what is asked each time instead of being written down, with the parameters it is asked by. */
function askings(builder: Builder, columns: ColumnFact[]): Asking[] {
  const taken = new Set<string>();
  const free = (wanted: string) => {
    let name = wanted;
    for (let n = 2; taken.has(name); n += 1) name = `${wanted}_${n}`;
    taken.add(name);
    return name;
  };
  return builder.filters
    .filter((filter) => filter.op === "asked")
    .map((filter) => {
      const type = typeOf(builder, columns, filter.ref);
      if (isTime(type)) {
        const name = free(PERIOD);
        const [from, to] = [`${name}_from`, `${name}_to`];
        return {
          filter,
          condition: (column) => `({{${from}}} is null or ${column} >= {{${from}}}) and ({{${to}}} is null or ${column} < {{${to}}})`,
          parameters: [from, to].map((name) => ({ name, type: "date" as const })),
        };
      }
      const plain = filter.ref.column.replace(/[^A-Za-z0-9_]+/g, "_").replace(/^(?=\d)/, "_").toLowerCase();
      const name = free(/[a-z]/.test(plain) ? plain : "value");
      const kind = askedType(type);
      const table = filter.ref.at === 0 ? builder.table : builder.joins[filter.ref.at - 1];
      const column = quoted(filter.ref.column);
      const values = kind === "text" && table ? `select distinct ${column} from ${quotedTable(table.schema, table.table)} where ${column} is not null order by 1 limit 1000` : undefined;
      return { filter, condition: (column) => `({{${name}}} is null or ${column} = {{${name}}})`, parameters: [{ name, type: kind, ...(values ? { values } : {}) }] };
    });
}

/** Returns what a question asks for each time. */
export const parametersOf = (builder: Builder, columns: ColumnFact[]): Parameter[] => askings(builder, columns).flatMap((one) => one.parameters);

/** The question with nothing that is asked each time: as it is answered where nobody says anything. */
export const unasked = (builder: Builder): Builder => ({ ...builder, filters: builder.filters.filter((filter) => filter.op !== "asked") });

/** What columns of the answer are called. */
export function headOf(group: Group): string {
  return group.grain ? group.grain : group.ref.column;
}

export function measureHead({ fn, ref }: Measure): string {
  if (fn === "count") return "count";
  if (fn === "distinct") return `distinct_${ref?.column ?? ""}`;
  return `${fn}_${ref?.column ?? ""}`;
}

/** Gives each name once: a second one gets a number. */
function once(names: string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    return n === 1 ? name : `${name}_${n}`;
  });
}

/** Returns the names of the answer's columns; none when all of the table are shown. */
export const heads = (builder: Builder): string[] => once([...builder.groups.map(headOf), ...builder.measures.map(measureHead)]);

const aliasOf = (builder: Builder, at: number): string => {
  const own = (table: TableName | undefined, i: number) => `${(table?.table ?? "t").replace(/[^a-z]/gi, "").slice(0, 1).toLowerCase() || "t"}${i === 0 ? "" : i}`;
  return own(at === 0 ? builder.table : builder.joins[at - 1], at);
};

/** Writes the SQL of a question. */
export function sqlOf(builder: Builder, columns: ColumnFact[]): string {
  const joined = builder.joins.length > 0;
  const alias = (at: number) => aliasOf(builder, at);
  const name = (ref: Ref) => (joined ? `${alias(ref.at)}.${quoted(ref.column)}` : quoted(ref.column));
  const grouped = (group: Group): string => {
    if (!group.grain) return name(group.ref);
    const zoned = typeOf(builder, columns, group.ref) === "timestamptz" || /with time zone/.test(typeOf(builder, columns, group.ref));
    return `date_trunc('${group.grain}', ${name(group.ref)}${zoned && builder.zone ? ` at time zone ${text(builder.zone)}` : ""})`;
  };
  const measured = ({ fn, ref }: Measure): string => {
    if (fn === "count" || !ref) return "count(*)";
    return fn === "distinct" ? `count(distinct ${name(ref)})` : `${fn}(${name(ref)})`;
  };
  const names = heads(builder);
  const picked = [...builder.groups.map(grouped), ...builder.measures.map(measured)].map((expression, i) => {
    const head = quoted(names[i] ?? "");
    return expression === head ? expression : `${expression} as ${head}`;
  });
  const lines = [picked.length > 0 ? `select\n  ${picked.join(",\n  ")}` : joined ? `select ${builder.joins.reduce((all, _, i) => `${all}, ${alias(i + 1)}.*`, `${alias(0)}.*`)}` : "select *"];
  lines.push(`from ${quotedTable(builder.table.schema, builder.table.table)}${joined ? ` ${alias(0)}` : ""}`);
  builder.joins.forEach((join, i) => {
    lines.push(`left join ${quotedTable(join.schema, join.table)} ${alias(i + 1)} on ${alias(i + 1)}.${quoted(join.column)} = ${name(join.from)}`);
  });
  const asked = new Map(askings(builder, columns).map((one) => [one.filter, one]));
  const conditions = builder.filters.filter(isWhole).map((filter) => asked.get(filter)?.condition(name(filter.ref)) ?? condition(name(filter.ref), typeOf(builder, columns, filter.ref), filter));
  if (conditions.length > 0) lines.push(`where ${conditions.join("\n  and ")}`);
  // Groups without measures are the different values there are.
  if (builder.groups.length > 0) lines.push(`group by ${builder.groups.map((_, i) => i + 1).join(", ")}`);
  const sort = builder.sort;
  const at = sort ? names.indexOf(sort.column) : -1;
  if (sort && (at >= 0 || names.length === 0)) lines.push(`order by ${at >= 0 ? at + 1 : joined ? `${alias(0)}.${quoted(sort.column)}` : quoted(sort.column)}${sort.down ? " desc" : ""}`);
  else if (builder.groups[0]?.grain) lines.push("order by 1");
  else if (builder.measures.length > 0 && builder.groups.length > 0) lines.push(`order by ${builder.groups.length + 1} desc`);
  lines.push(`limit ${Math.max(1, Math.min(1_000_000, Math.round(builder.limit) || LIMIT))}`);
  return lines.join("\n");
}

export interface JoinOffer extends Join {
  /** Whether several of its rows may fit one of ours: then sums count some twice. */
  repeats: boolean;
}

/** Finds the joins that the project declares: tests of relationships, and keys of the same name. */
export function joinsOf(builder: Builder, models: Model[], columns: ColumnFact[]): JoinOffer[] {
  const tables: TableName[] = [builder.table, ...builder.joins];
  const found: JoinOffer[] = [];
  const add = (offer: JoinOffer) => {
    const known = (other: TableName) => other.schema === offer.schema && other.table === offer.table;
    if (!tables.some(known) && !found.some(known)) found.push(offer);
  };
  const same = (a: TableName, b: TableName) => a.schema === b.schema && a.table === b.table;
  tables.forEach((table, at) => {
    const has = (column: string) => columns.some((one) => one.table_schema === table.schema && one.table_name === table.table && one.column_name === column);
    for (const model of models) {
      for (const { column, refers_to } of model.tests) {
        if (!refers_to || !column) continue;
        if (same(model, table)) add({ schema: refers_to.schema, table: refers_to.table, from: { at, column }, column: refers_to.column, repeats: false });
        else if (same(refers_to, table)) add({ schema: model.schema, table: model.table, from: { at, column: refers_to.column }, column, repeats: true });
      }
      const [key, more] = model.primary_key;
      // Every table may have an `id`, and each is its own.
      if (key && !more && key.toLowerCase() !== "id" && !same(model, table) && has(key)) add({ schema: model.schema, table: model.table, from: { at, column: key }, column: key, repeats: false });
    }
  });
  return found;
}

/** Reads what an address or a saved question holds; null when it is no question of this kind. */
export function readBuilder(value: unknown): Builder | null {
  const one = value as Partial<Builder> | null;
  const list = (part: unknown) => Array.isArray(part);
  if (typeof one !== "object" || one === null || typeof one.table?.schema !== "string" || typeof one.table.table !== "string") return null;
  if (!list(one.joins) || !list(one.filters) || !list(one.groups) || !list(one.measures)) return null;
  return { ...begin(one.table), ...one, limit: Number(one.limit) || LIMIT };
}

/** Takes a joined table away, with all that names it. */
export function withoutJoin(builder: Builder, at: number): Builder {
  const gone = at + 1;
  // Tables that hang on the one that goes, go as well: they stand after it.
  const keep = builder.joins.filter((join, i) => i !== at && join.from.at !== gone);
  if (keep.length < builder.joins.length - 1) return { ...begin(builder.table), zone: builder.zone, limit: builder.limit };
  const moved = <T extends { ref?: Ref }>(part: T): T => (part.ref && part.ref.at > gone ? { ...part, ref: { ...part.ref, at: part.ref.at - 1 } } : part);
  const stays = (part: { ref?: Ref }) => part.ref?.at !== gone;
  return {
    ...builder,
    joins: keep.map((join) => (join.from.at > gone ? { ...join, from: { ...join.from, at: join.from.at - 1 } } : join)),
    filters: builder.filters.filter(stays).map(moved),
    groups: builder.groups.filter(stays).map(moved),
    measures: builder.measures.filter(stays).map(moved),
    sort: undefined,
  };
}

/** The chart of what was asked for, where rows alone do not tell: numbers that are grouped by are no measures. */
export function chartOf(builder: Builder, columns: ColumnFact[]): ChartSpec | undefined {
  const [group] = builder.groups;
  const names = heads(builder);
  if (!group || builder.measures.length === 0 || !builder.groups.some((one) => isNumber(typeOf(builder, columns, one.ref)))) return undefined;
  return { kind: group.grain ? "line" : "bar", x: names[0], y: names.slice(builder.groups.length).slice(0, 1), series: builder.groups.length > 1 ? names[1] : undefined };
}

/** Writes a question for an address; after `#`, so that no server sees it. `of` is the saved question that it changes. */
export const toAddress = (builder: Builder, chart?: ChartSpec, of?: string) => `/build#${new URLSearchParams({ q: JSON.stringify(builder), ...(chart ? { chart: JSON.stringify(chart) } : {}), ...(of ? { of } : {}) })}`;

/** Reads what {@link toAddress} wrote; whatever else it is, no question comes out. */
export function fromAddress(hash: string): { builder: Builder | null; chart?: ChartSpec; of?: string } {
  const search = new URLSearchParams(hash);
  const json = (name: string): unknown => {
    try {
      return JSON.parse(search.get(name) ?? "null");
    } catch {
      return null;
    }
  };
  return { builder: readBuilder(json("q")), chart: (json("chart") as ChartSpec | null) ?? undefined, of: search.get("of") ?? undefined };
}
