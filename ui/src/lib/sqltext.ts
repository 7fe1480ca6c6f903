/** SQL as text: where statements begin and end, and what kind they are. */

export interface Statement {
  text: string;
  from: number;
  to: number;
}

/** Returns the end of a quote, comment or dollar-quoted text that begins at `at`; `at` itself when none does. */
export function skip(text: string, at: number): number {
  const two = text.slice(at, at + 2);
  const until = (end: string, from: number) => {
    const found = text.indexOf(end, from);
    return found < 0 ? text.length : found + end.length;
  };
  if (two === "--") return until("\n", at);
  if (two === "/*") {
    let depth = 1;
    let i = at + 2;
    while (i < text.length && depth > 0) {
      const pair = text.slice(i, i + 2);
      if (pair === "/*") depth += 1;
      if (pair === "*/") depth -= 1;
      i += pair === "/*" || pair === "*/" ? 2 : 1;
    }
    return i;
  }
  const one = text[at];
  if (one === "'" || one === '"') {
    let i = at + 1;
    while (i < text.length) {
      if (text[i] !== one) i += 1;
      else if (text[i + 1] === one) i += 2;
      else return i + 1;
    }
    return text.length;
  }
  if (one === "$") {
    const tag = /^\$([A-Za-z_]\w*)?\$/.exec(text.slice(at, at + 64))?.[0];
    if (tag) return until(tag, at + tag.length);
  }
  return at;
}

/** Divides text into its statements; empty ones are left out. */
export function statements(text: string): Statement[] {
  const found: Statement[] = [];
  let from = 0;
  let i = 0;
  const close = (to: number) => {
    const raw = text.slice(from, to);
    const lead = raw.length - raw.trimStart().length;
    if (raw.trim() !== "") found.push({ text: raw.trim(), from: from + lead, to });
    from = to + 1;
  };
  while (i < text.length) {
    const end = skip(text, i);
    if (end > i) {
      i = end;
      continue;
    }
    if (text[i] === ";") close(i);
    i += 1;
  }
  close(text.length);
  return found;
}

/** Returns the statement at a position: the one around it, else the one before it. */
export function statementAt(text: string, position: number): Statement | undefined {
  const all = statements(text);
  return all.find((statement) => position <= statement.to + 1) ?? all.at(-1);
}

/** Returns a statement's first word, in capitals. */
export function firstWord(sql: string): string {
  let i = 0;
  while (i < sql.length) {
    const end = sql[i] === "'" || sql[i] === '"' ? i : skip(sql, i);
    if (end > i) i = end;
    else if (/[\s(]/.test(sql[i] ?? "")) i += 1;
    else break;
  }
  return (/^\w+/.exec(sql.slice(i))?.[0] ?? "").toUpperCase();
}

/** Whether a statement is a question, whose answer is kept. */
export const isQuestion = (sql: string) => ["SELECT", "WITH", "VALUES", "TABLE"].includes(firstWord(sql));

/** Returns the names in `{{name}}`, in the order they first stand there. */
export function parameterNames(sql: string): string[] {
  const names = new Set<string>();
  let i = 0;
  while (i < sql.length) {
    const end = skip(sql, i);
    if (end > i) {
      i = end;
      continue;
    }
    const name = /^\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}/i.exec(sql.slice(i, i + 80));
    if (name?.[1]) names.add(name[1]);
    i += name?.[0].length ?? 1;
  }
  return [...names];
}

/** Writes `{{name}}` as `$1` and so on, and returns which name each is; other text stays where it was in its line. */
export function numbered(sql: string): { sql: string; names: string[] } {
  const names: string[] = [];
  let out = "";
  let i = 0;
  while (i < sql.length) {
    const end = skip(sql, i);
    const place = end > i ? null : /^\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}/i.exec(sql.slice(i, i + 80));
    if (place?.[1]) {
      if (!names.includes(place[1])) names.push(place[1]);
      out += `$${names.indexOf(place[1]) + 1}`.padEnd(place[0].length);
      i += place[0].length;
    } else {
      out += sql.slice(i, Math.max(end, i + 1));
      i = Math.max(end, i + 1);
    }
  }
  return { sql: out, names };
}

const PLAIN = /^[a-z_][a-z0-9_]*$/;

/** Writes a name as SQL reads it. */
export const quoted = (name: string) => (PLAIN.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

export const quotedTable = (schema: string, table: string) => `${quoted(schema)}.${quoted(table)}`;
