/** Columns of the tables that a statement reads, for completion. */

import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { quoted, statementAt } from "../lib/sqltext";

export interface KnownColumn {
  name: string;
  type: string;
}

/** Tables with their columns, by schema. */
export type Catalogue = Record<string, Record<string, KnownColumn[]>>;

export interface Source {
  schema?: string;
  table: string;
  alias?: string;
}

const TOKEN = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|[\p{L}_][\p{L}\p{N}_$]*|\S/gu;

/** Words that may follow a table and are no other name of it. */
const NO_ALIAS = new Set(
  "where on using join inner left right full cross natural lateral group order having limit offset fetch union except intersect window for set values returning select tablesample as qualify default".split(" "),
);

const isName = (token: string | undefined): token is string => token !== undefined && /^["\p{L}_]/u.test(token);
const nameOf = (token: string) => (token.startsWith('"') ? token.slice(1, token.endsWith('"') && token.length > 1 ? -1 : undefined).replaceAll('""', '"') : token.toLowerCase());

/** Finds the tables in a statement's FROM and JOIN, in those of its subqueries as well. */
export function sourcesOf(sql: string): Source[] {
  const tokens = (sql.match(TOKEN) ?? []).filter((token) => !/^(--|\/\*|')/.test(token));
  const found: Source[] = [];
  let i = 0;
  const table = (): boolean => {
    if (["only", "lateral"].includes(tokens[i]?.toLowerCase() ?? "")) i += 1;
    const parts: string[] = [];
    let token = tokens[i];
    while (isName(token) && (parts.length > 0 || !NO_ALIAS.has(token.toLowerCase()))) {
      parts.push(nameOf(token));
      i += 1;
      if (tokens[i] !== ".") break;
      i += 1;
      token = tokens[i];
    }
    const name = parts.at(-1);
    if (name === undefined) return false;
    if (tokens[i]?.toLowerCase() === "as") i += 1;
    const other = tokens[i];
    const named = isName(other) && !NO_ALIAS.has(other.toLowerCase());
    if (named) i += 1;
    found.push({ schema: parts.at(-2), table: name, alias: named ? nameOf(other) : undefined });
    return true;
  };
  while (i < tokens.length) {
    const word = tokens[i]?.toLowerCase() ?? "";
    i += 1;
    if (!["from", "join", "update", "into"].includes(word)) continue;
    while (table() && tokens[i] === ",") i += 1;
  }
  return found;
}

/** Returns the columns of a table; names without a schema are looked for in one's own, then in `main`. */
function columnsOf(source: Source, catalogue: Catalogue, schema: string): KnownColumn[] {
  if (source.schema !== undefined) return catalogue[source.schema]?.[source.table] ?? [];
  return catalogue[schema]?.[source.table] ?? catalogue.main?.[source.table] ?? [];
}

/** Above keywords and functions that begin alike. */
const FIRST = 50;

const offer = ({ name, type }: KnownColumn): Completion => ({ label: name, apply: quoted(name), detail: type, type: "property", boost: FIRST });

/** Returns what may stand at a place: columns of one table behind its name and a dot, else those of all. */
export function columnOffers(sql: string, qualifier: string | null, catalogue: Catalogue, schema: string): Completion[] {
  const sources = sourcesOf(sql);
  if (qualifier !== null) {
    const wanted = nameOf(qualifier);
    const source = sources.find((one) => one.alias === wanted) ?? sources.find((one) => one.alias === undefined && one.table === wanted);
    return source ? columnsOf(source, catalogue, schema).map(offer) : [];
  }
  const all = sources.flatMap((source) => columnsOf(source, catalogue, schema));
  // The same name of several tables is offered once.
  return [...new Map(all.map((column) => [column.name, column])).values()].map(offer);
}

/** Completes columns of this statement's tables; where it knows none, the others are asked. */
export function completeColumns(catalogue: Catalogue, schema: string) {
  return (context: CompletionContext): CompletionResult | null => {
    const word = context.matchBefore(/[\p{L}\p{N}_$]*/u);
    if (!word) return null;
    const before = context.state.sliceDoc(Math.max(0, word.from - 200), word.from);
    const qualifier = /("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)\.$/u.exec(before)?.[1] ?? null;
    // Behind two names comes what those say, and numbers and texts have no columns.
    if (qualifier === null && (before.endsWith(".") || (word.from === word.to && !context.explicit))) return null;
    if (/^\d/.test(word.text)) return null;
    const statement = statementAt(context.state.doc.toString(), context.pos);
    const options = statement ? columnOffers(statement.text, qualifier, catalogue, schema) : [];
    return options.length > 0 ? { from: word.from, options, validFor: /^[\p{L}\p{N}_$]*$/u } : null;
  };
}
