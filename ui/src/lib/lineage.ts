/** What feeds what: sources, tables, steps, questions, dashboards, alerts and deliveries, as one graph. */

import type { Document, Parameter, QuestionBody } from "./documents";
import type { Model } from "./models";
import { skip, statements } from "./sqltext";
import { path } from "./api";

export interface Edge {
  from: string;
  to: string;
}

export interface Thing {
  /** One of those that the application knows, or another that the server names. */
  kind: "table" | "source" | "step" | "question" | "dashboard" | "alert" | "delivery" | (string & {});
  name: string;
  /** What it is, where that is more than its kind: `view`, `model`, `seed`. */
  note?: string;
  owner?: string | null;
  /** Its page, where it has one. */
  href?: string;
}

export interface Graph {
  edges: Edge[];
  /** Everything there is, by the key that edges name. Tables are keyed by `schema.table`. */
  things: Map<string, Thing>;
}

export interface Known {
  /** From table to table, as builds told. */
  edges: Edge[];
  tables: { schema_name: string; table_name: string; kind: string }[];
  models: Model[];
  sources: string[];
  questions: Document[];
  /** By question, the tables it reads. */
  reads: Map<string, string[]>;
  dashboards: { document: Document; questions: string[] }[];
  alerts?: { id: string; name: string; question: string; made_by?: string }[];
  deliveries?: { id: string; dashboard: string }[];
}

export const tableKey = (schema: string, table: string) => `${schema}.${table}`;
export const questionKey = (id: string) => `question:${id}`;
export const dashboardKey = (id: string) => `dashboard:${id}`;
export const alertKey = (id: string) => `alert:${id}`;
export const deliveryKey = (id: string) => `delivery:${id}`;
export const stepKey = (name: string) => `step:${name}`;
export const sourceKey = (name: string) => `source:${name}`;

/** Returns where a table's page is. */
export function tableHref(key: string): string {
  const dot = key.indexOf(".");
  return `${path`/data/${key.slice(0, dot)}/${key.slice(dot + 1)}`}?tab=lineage`;
}

/** What is no table says what it is before its name; tables have a dot between theirs. */
const OTHER = /^([a-z][a-z_]*):([^.]+)$/;

export function graphOf({ edges, tables, models, sources, questions, reads, dashboards, alerts = [], deliveries = [] }: Known): Graph {
  const things = new Map<string, Thing>();
  const found = new Map<string, Edge>();
  const join = (from: string, to: string) => {
    if (from !== to) found.set(`${from}\0${to}`, { from, to });
  };
  const isTable = (key: string, note?: string, owner?: string | null) => {
    const known = things.get(key);
    things.set(key, { kind: "table", name: key, href: tableHref(key), note: note ?? known?.note, owner: owner ?? known?.owner });
  };
  for (const { schema_name, table_name, kind } of tables) isTable(tableKey(schema_name, table_name), kind === "table" ? undefined : kind);
  for (const { from, to } of edges) {
    for (const key of [from, to]) {
      const [, kind, name] = OTHER.exec(key) ?? [];
      if (kind && name) things.set(key, { kind, name });
      else if (!things.has(key)) isTable(key);
    }
    join(from, to);
  }
  const outputs = new Map(models.map((model) => [model.asset, tableKey(model.schema, model.table)]));
  for (const model of models) {
    const output = tableKey(model.schema, model.table);
    isTable(output, model.kind, model.owner);
    let made = output;
    if (model.kind === "step") {
      made = stepKey(model.name);
      things.set(made, { kind: "step", name: model.name, owner: model.owner, href: path`/models/${model.asset}` });
      join(made, output);
    }
    for (const read of model.reads) {
      const input = outputs.get(read);
      if (input) join(input, made);
    }
    // Only whoever may open the question is told of it.
    if (model.question && questions.some((one) => one.id === model.question)) join(questionKey(model.question), output);
  }
  const made = new Set([...found.values()].map((edge) => edge.to));
  for (const source of sources) {
    const own = tables.filter((one) => one.schema_name === `raw_${source}` || one.schema_name === source).map((one) => tableKey(one.schema_name, one.table_name));
    // What is made of other tables does not come from the source itself.
    const first = own.filter((key) => !made.has(key));
    if (first.length > 0) things.set(sourceKey(source), { kind: "source", name: source, href: path`/sources/${source}` });
    for (const key of first) join(sourceKey(source), key);
  }
  for (const question of questions) {
    const key = questionKey(question.id);
    things.set(key, { kind: "question", name: question.name, owner: question.owner, href: path`/q/${question.id}` });
    for (const read of reads.get(question.id) ?? []) {
      if (!things.has(read)) isTable(read);
      join(read, key);
    }
  }
  for (const { document, questions: shown } of dashboards) {
    const key = dashboardKey(document.id);
    things.set(key, { kind: "dashboard", name: document.name, owner: document.owner, href: path`/d/${document.id}` });
    for (const question of new Set(shown)) if (things.has(questionKey(question))) join(questionKey(question), key);
  }
  for (const { id, name, question, made_by } of alerts) {
    if (!things.has(questionKey(question))) continue;
    things.set(alertKey(id), { kind: "alert", name, owner: made_by, href: `${path`/q/${question}`}?open=alerts` });
    join(questionKey(question), alertKey(id));
  }
  for (const { id, dashboard } of deliveries) {
    const sent = things.get(dashboardKey(dashboard));
    if (!sent) continue;
    const before = deliveries.filter((one) => one.dashboard === dashboard).findIndex((one) => one.id === id);
    things.set(deliveryKey(id), { kind: "delivery", name: before > 0 ? `${sent.name} (${before + 1})` : sent.name, href: `${path`/d/${dashboard}`}?open=send` });
    join(dashboardKey(dashboard), deliveryKey(id));
  }
  return { edges: [...found.values()], things };
}

const TYPES: Record<Parameter["type"], string> = { text: "text", number: "double precision", date: "date", timestamp: "timestamptz", boolean: "boolean" };

/** Writes a question's statement for planning alone: each parameter is a null of its type. */
export function plannable({ sql, parameters = [] }: Pick<QuestionBody, "sql" | "parameters">): string {
  const text = statements(sql)[0]?.text ?? sql;
  let out = "";
  let i = 0;
  while (i < text.length) {
    const end = skip(text, i);
    const place = end > i ? null : /^\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}/i.exec(text.slice(i, i + 80));
    if (place) {
      const type = parameters.find((one) => one.name === place[1])?.type ?? "text";
      out += `cast(null as ${TYPES[type] ?? "text"})`;
      i += place[0].length;
    } else {
      out += text.slice(i, Math.max(end, i + 1));
      i = Math.max(end, i + 1);
    }
  }
  return out;
}
