/** Asking in SQL: an editor above, the answer below. */

import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { EditorHandle } from "../editor/editor";
import { bySchema, FUNCTIONS, useColumns } from "../lib/catalogue";
import { duration } from "../lib/format";
import { planOf } from "../lib/plan";
import { Link, navigate, usePlace } from "../lib/router";
import { useRun } from "../lib/run";
import { usePerson } from "../lib/session";
import { fromHash, keepSheets, loadSheets, newSheet, type Sheet, type Sheets, toHash } from "../lib/sheets";
import { firstWord, isQuestion, numbered, parameterNames, quotedTable, statementAt, statements } from "../lib/sqltext";
import { tidy } from "../lib/tidy";
import { AnswerView, Clock, summary, ViewChoice } from "../parts/answer";
import { Badge, Button, Empty, Field, Menu, Text, useResting, useTitle, Waiting } from "../parts/basics";
import { Icon } from "../parts/icons";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { bySense, schemaKind, useTables } from "./data";
import { SaveQuestion } from "./save";
import { DownloadMenu, ShareMenu } from "./share";
import { TableList } from "./tables";

const Editor = lazy(() => import("../editor/editor"));

/** Questions to begin with, which work on every Weir. */
const EXAMPLES = [
  "select schema_name, table_name, rows from weir.tables order by rows desc nulls last limit 20",
  "select * from weir.event_fate limit 100",
];

/** The sheets, changed in one place, kept in the browser and in the address. */
function useSheets(person: string) {
  const { hash, path } = usePlace();
  const [sheets, setSheets] = useState<Sheets>(() => loadSheets(person));
  const sheet = sheets.all.find((one) => one.id === sheets.on) ?? (sheets.all[0] as Sheet);
  const written = useRef<string | null>(null);
  // An address that somebody else wrote opens a sheet of its own.
  useEffect(() => {
    const wanted = fromHash(hash);
    if (path !== "/ask" || !wanted || written.current === hash) return;
    written.current = hash;
    setSheets((now) => {
      const same = now.all.find((one) => toHash(one) === toHash({ sql: "", view: "table", ...wanted }));
      if (same) return { ...now, on: same.id };
      const empty = now.all.find((one) => one.sql.trim() === "");
      const made = newSheet(wanted);
      return { all: [...now.all.filter((one) => one !== empty), made], on: made.id };
    });
  }, [hash, path]);
  const rested = useResting(sheet, 300);
  useEffect(() => {
    const next = toHash(rested);
    if (location.pathname !== "/ask" || next === written.current || rested.id !== sheet.id) return;
    if (next === "" && location.hash === "") return;
    written.current = next;
    navigate(next ? `/ask#${next}` : "/ask", { replace: true });
  }, [rested, sheet.id]);
  useEffect(() => keepSheets(person, sheets), [person, sheets]);
  const change = useCallback((id: string, part: Partial<Sheet>) => {
    setSheets((now) => ({ ...now, all: now.all.map((one) => (one.id === id ? { ...one, ...part } : one)) }));
  }, []);
  return { sheets, sheet, setSheets, change };
}

export function Ask() {
  const person = usePerson();
  useTitle(w.ask.title);
  const { sheets, sheet, setSheets, change } = useSheets(person.name);
  const open = () => {
    const made = newSheet();
    setSheets((now) => ({ all: [...now.all, made], on: made.id }));
  };
  const close = (closed: Sheet, at: number) => {
    setSheets((now) => {
      const left = now.all.filter((one) => one.id !== closed.id);
      const all = left.length > 0 ? left : [newSheet()];
      return { all, on: now.on === closed.id ? (all.at(-1)?.id ?? "") : now.on };
    });
    if (closed.sql.trim() === "") return;
    const back = () => setSheets((now) => ({ all: [...now.all.slice(0, at), closed, ...now.all.slice(at)], on: closed.id }));
    toast(w.ask.closed(name(closed, at)), { text: w.common.undo, act: back });
  };
  const tabs = useRef<HTMLDivElement>(null);
  // Of many, the one that one is on is in view.
  useEffect(() => {
    tabs.current?.querySelector(".on")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [sheet.id]);
  const [listing, setListing] = useState(() => (localStorage.getItem("weir:tables") ?? (innerWidth >= 1000 ? "shown" : "")) === "shown");
  const list = () => {
    localStorage.setItem("weir:tables", listing ? "hidden" : "shown");
    setListing(!listing);
  };
  const name = (one: Sheet, i: number) => one.sql.trim().split("\n")[0]?.slice(0, 28) || w.ask.tab(i + 1);
  return (
    <main className="page full" id="page">
      <h1 className="hidden">{w.ask.title}</h1>
      <div className={`asking ${listing ? "listing" : ""}`}>
        <div className="sheets" role="group" aria-label={w.questions.title} ref={tabs}>
          {sheets.all.map((one, i) => (
            <div key={one.id} className={one.id === sheet.id ? "on" : ""}>
              <button type="button" aria-pressed={one.id === sheet.id} onClick={() => setSheets({ ...sheets, on: one.id })}>
                {name(one, i)}
              </button>
              <button type="button" aria-label={w.ask.closeTab(name(one, i))} onClick={() => close(one, i)}>
                ×
              </button>
            </div>
          ))}
          <div>
            <button type="button" aria-label={w.ask.newTab} title={w.ask.newTab} onClick={open}>
              +
            </button>
          </div>
        </div>
        <Sheetful key={sheet.id} sheet={sheet} onChange={(part) => change(sheet.id, part)} listing={listing} onList={list} />
      </div>
    </main>
  );
}

/** The first tables one may read that came from somewhere, and are no raw copies: something to begin with. */
function useExamples(): string[] {
  const person = usePerson();
  const tables = useTables();
  const own = (tables.data ?? []).filter((one) => schemaKind(one.schema_name, person.schema) !== w.data.kinds.system).sort((a, b) => bySense(a.schema_name, b.schema_name));
  return [...own.slice(0, 2).map((one) => `select * from ${quotedTable(one.schema_name, one.table_name)} limit 100`), ...EXAMPLES];
}

interface SheetProps {
  sheet: Sheet;
  onChange(part: Partial<Sheet>): void;
  /** Whether tables are listed beside the editor. */
  listing: boolean;
  onList(): void;
}

function Sheetful({ sheet, onChange, listing, onList }: SheetProps) {
  const examples = useExamples();
  const person = usePerson();
  const queries = useQueryClient();
  const { run, start, cancel } = useRun();
  const [saving, setSaving] = useState(false);
  const editor = useRef<EditorHandle>(null);
  const columns = useColumns();
  const catalogue = useMemo(() => bySchema(columns.data ?? []), [columns.data]);
  const names = useMemo(() => parameterNames(sheet.sql), [sheet.sql]);

  const go = useCallback(
    async (prefix = "", fresh = false) => {
      const selection = editor.current?.selection() ?? { text: "", from: 0, at: 0 };
      const chosen = selection.text.trim() ? { text: selection.text, from: selection.from } : statementAt(sheet.sql, selection.at);
      if (!chosen) return;
      editor.current?.clearMarks();
      const wanted = parameterNames(chosen.text);
      const params = wanted.length > 0 ? Object.fromEntries(wanted.map((name) => [name, sheet.params?.[name] || null])) : undefined;
      // What is explained is not kept: its values are bound by number.
      const bound = prefix ? numbered(chosen.text) : null;
      const done = await start(bound ? { sql: prefix + bound.sql, bound: bound.names.map((name) => params?.[name] ?? null) } : { sql: chosen.text, params, fresh });
      const place = done.error?.position;
      if (place && !done.cancelled) editor.current?.mark(chosen.from, place.line, place.column - (place.line === 1 ? prefix.length : 0), done.error?.message ?? "");
      // Statements that make tables make completion know them.
      if (done.state === "done" && !isQuestion(chosen.text)) void queries.invalidateQueries();
    },
    [sheet.sql, sheet.params, start, queries],
  );

  const format = async () => {
    try {
      onChange({ sql: await tidy(sheet.sql) });
    } catch {
      toast(w.ask.cannotFormat);
    }
  };
  const explained = run.state === "done" && planOf(run.columns, run.rows) !== null;
  const explains = statements(sheet.sql).some(({ text }) => isQuestion(text));
  const writes = !isQuestion(sheet.sql) && !["", "SHOW", "EXPLAIN", "DESCRIBE", "TABLE"].includes(firstWord(sheet.sql));
  return (
    <>
      <div className="tools" role="toolbar" aria-label={w.ask.title}>
        {run.state === "running" ? (
          <Button look="danger" onClick={cancel}>
            <Icon name="stop" size={14} /> {w.common.cancel}
          </Button>
        ) : (
          <Button look="main" title={w.ask.runHint} disabled={sheet.sql.trim() === ""} onClick={() => void go()}>
            <Icon name="play" size={14} /> {w.ask.run}
          </Button>
        )}
        <Menu
          label={w.ask.explain}
          items={[
            { text: w.plan.plan, hint: w.plan.planHint, why: !explains && w.plan.onlyQuestions, act: () => void go("explain ") },
            { text: w.plan.analyze, hint: w.plan.analyzeHint, why: !explains && w.plan.onlyQuestions, act: () => void go("explain analyze ") },
          ]}
        />
        <Button disabled={sheet.sql.trim() === ""} onClick={() => void format()}>
          {w.ask.format}
        </Button>
        <Button aria-pressed={listing} onClick={onList}>
          {w.tables.show}
        </Button>
        {writes && <Badge look="warn">{w.ask.writes}</Badge>}
        <span className="grow" />
        <Button why={person.may.create ? null : w.noAccess(w.questions.title.toLowerCase())} disabled={sheet.sql.trim() === ""} onClick={() => setSaving(true)}>
          {w.ask.save}
        </Button>
        <ShareMenu link={() => `${location.origin}/ask#${toHash(sheet)}`} result={run.tail?.result} shown={{ view: sheet.view, chart: sheet.chart }} />
      </div>
      {listing && (
        <TableList
          catalogue={catalogue}
          known={columns.data !== undefined}
          blank={sheet.sql.trim() === ""}
          onInsert={(text) => {
            editor.current?.insert(text);
            editor.current?.focus();
          }}
          onLook={(table) => {
            onChange({ sql: `select *\nfrom ${table}\nlimit 100` });
            editor.current?.focus();
          }}
        />
      )}
      <Suspense fallback={<Waiting />}>
        <Editor
          value={sheet.sql}
          catalogue={catalogue}
          functions={FUNCTIONS}
          schema={person.schema}
          onChange={(sql) => onChange({ sql })}
          onRun={() => void go()}
          handle={editor}
        />
      </Suspense>
      <div>
        {names.length > 0 && (
          <div className="params" role="group" aria-label={w.ask.parameters}>
            {names.map((name) => (
              <Field key={name} label={name}>
                <Text value={sheet.params?.[name] ?? ""} onChange={(event) => onChange({ params: { ...sheet.params, [name]: event.target.value } })} />
              </Field>
            ))}
          </div>
        )}
        <div className="tools">
          {run.state === "running" && (
            <>
              <span>{w.ask.running}</span> <Clock from={run.startedAt} />
              {run.rows.length > 0 && <span className="quiet">{w.ask.rows(String(run.rows.length))}</span>}
            </>
          )}
          <span role="status" aria-live="polite">
            {run.state === "done" && (explained ? w.ask.took(duration(run.tail?.elapsed_ms ?? 0)) : summary(run))}
          </span>
          {run.tail?.result?.cut_off && <Badge look="warn">{w.ask.cutOff(String(run.tail.result.rows))}</Badge>}
          <span className="grow" />
          {run.state === "done" && run.columns.length > 0 && !explained && (
            <>
              <ViewChoice view={sheet.view} onChange={(view) => onChange({ view })} />
              <DownloadMenu result={run.tail?.result} sql={run.asked?.sql ?? ""} />
            </>
          )}
        </div>
      </div>
      <section className="answer" aria-label={w.ask.rows("")}>
        {run.state === "idle" ? (
          <div className="message">
            <Empty title={w.ask.emptyTitle}>
              <p>
                {w.ask.emptyText} <Link href="/build">{w.ask.emptyBuild}</Link>
              </p>
              {examples.map((sql) => (
                <Button key={sql} look="plain" className="clip" onClick={() => onChange({ sql })}>
                  <code>{sql}</code>
                </Button>
              ))}
            </Empty>
          </div>
        ) : (
          <AnswerView run={run} view={sheet.view} chart={sheet.chart} onChart={(chart) => onChange({ chart })} retry={() => void go()} />
        )}
      </section>
      {saving && <SaveQuestion sheet={sheet} onClose={() => setSaving(false)} />}
    </>
  );
}

