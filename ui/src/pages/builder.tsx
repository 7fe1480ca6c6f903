/** A question without SQL: a table, what belongs to it, filters, groups, numbers; its SQL is one press away. */

import { useEffect, useMemo, useState } from "react";
import type { ChartSpec } from "../charts/spec";
import { begin, type Builder as Parts, chartOf, type Filter, fromAddress, FUNCTIONS, GRAINS, heads, joinsOf, LAST_UNITS, opsOf, parametersOf, type Ref, sqlOf, type TableName, toAddress, typeOf, unasked, valuesOf, withoutJoin } from "../lib/builder";
import { type ColumnFact, useColumns } from "../lib/catalogue";
import { isNumber, isTime, zone } from "../lib/format";
import { useModels } from "../lib/models";
import { Link, navigate, usePlace } from "../lib/router";
import { query } from "../lib/rows";
import { useRun } from "../lib/run";
import { usePerson } from "../lib/session";
import { newSheet, toHash } from "../lib/sheets";
import { quoted, quotedTable } from "../lib/sqltext";
import { AnswerView, summary, type View, ViewChoice } from "../parts/answer";
import { Button, Choice, Empty, Loaded, Menu, Text, useResting, useTitle } from "../parts/basics";
import { words as w } from "../words";
import { bySense, schemaKind, useAbout, useTables } from "./data";
import { SaveQuestion } from "./save";
import { DownloadMenu } from "./share";

export function Builder() {
  useTitle(w.builder.title);
  const { hash } = usePlace();
  const { builder, chart, of } = useMemo(() => fromAddress(hash), [hash]);
  const columns = useColumns();
  const change = (next: Parts | null, drawn = chart) => navigate(next ? toAddress(next, drawn, of) : "/build", { replace: builder !== null && next !== null });
  if (!builder) return <Pick onPick={(table) => change({ ...begin(table), zone })} />;
  return (
    <Loaded of={columns} page>
      {(facts) => <Shown builder={builder} chart={chart} of={of} facts={facts} onChange={change} />}
    </Loaded>
  );
}

function Pick({ onPick }: { onPick(table: TableName): void }) {
  const tables = useTables();
  const person = usePerson();
  const [filter, setFilter] = useState("");
  const about = useAbout();
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.builder.title}</h1>
      </div>
      <div className="card stack">
        <h2>{w.builder.pick}</h2>
        <Text type="search" aria-label={w.common.filter} placeholder={w.builder.pickHint} autoFocus value={filter} onChange={(event) => setFilter(event.target.value)} />
        <Loaded of={tables}>
          {(all) => {
            const shown = all
              .filter((one) => schemaKind(one.schema_name, person.schema) !== w.data.kinds.system && `${one.schema_name}.${one.table_name} ${about(one)}`.toLowerCase().includes(filter.toLowerCase()))
              .sort((a, b) => bySense(a.schema_name, b.schema_name));
            if (shown.length === 0) return <Empty title={filter ? w.tables.none : w.data.empty}>{filter ? null : w.data.emptyText}</Empty>;
            return (
              <ul className="picks">
                {shown.slice(0, 200).map((one) => (
                  <li key={`${one.schema_name}.${one.table_name}`}>
                    <button type="button" onClick={() => onPick({ schema: one.schema_name, table: one.table_name })}>
                      <span>
                        {one.table_name} <span className="quiet">{one.schema_name}</span>
                      </span>
                      {about(one) && <small className="quiet clip">{about(one)}</small>}
                    </button>
                  </li>
                ))}
              </ul>
            );
          }}
        </Loaded>
      </div>
    </main>
  );
}

interface PartProps {
  builder: Parts;
  facts: ColumnFact[];
  onChange(builder: Parts): void;
}

function Shown({ builder, chart: drawn, of, facts, onChange }: PartProps & { chart?: ChartSpec; /** The saved question that is changed. */ of?: string; onChange(builder: Parts | null, chart?: ChartSpec): void }) {
  const { run, start } = useRun();
  const chart = useMemo(() => drawn ?? chartOf(builder, facts), [drawn, builder, facts]);
  const [chosen, setView] = useState<View>();
  // Rows as they are make no chart of themselves.
  const view = chosen ?? (builder.measures.length > 0 || chart ? "both" : "table");
  const [showing, setShowing] = useState(false);
  const [saving, setSaving] = useState(false);
  const sql = useMemo(() => sqlOf(builder, facts), [builder, facts]);
  // What is asked each time is anything as long as nobody says.
  const preview = useMemo(() => sqlOf(unasked(builder), facts), [builder, facts]);
  const rested = useResting(preview, 500);
  // What is asked follows what is chosen.
  useEffect(() => void start({ sql: rested }), [rested, start]);
  const set = (next: Parts) => onChange(next);
  const person = usePerson();
  return (
    <main className="page full" id="page">
      <div className="building">
        <aside className="parts" aria-label={w.builder.title}>
          <div className="row">
            <h1 className="clip">{builder.table.table}</h1>
            <span className="grow" />
            <Button look="plain" onClick={() => onChange(null)}>
              {w.builder.change}
            </Button>
          </div>
          <Joins builder={builder} facts={facts} onChange={set} />
          <Filters builder={builder} facts={facts} onChange={set} />
          <Measures builder={builder} facts={facts} onChange={set} />
          <Groups builder={builder} facts={facts} onChange={set} />
          <Order builder={builder} facts={facts} onChange={set} />
        </aside>
        <section className="answer" aria-label={w.builder.title}>
          <div className="tools">
            <span role="status" aria-live="polite">
              {run.state === "running" ? w.ask.running : run.state === "done" ? summary(run) : ""}
            </span>
            <span className="grow" />
            <ViewChoice view={view} onChange={setView} />
            <Button aria-pressed={showing} onClick={() => setShowing(!showing)}>
              {w.builder.showSql}
            </Button>
            <Link className="button" href={`/ask#${toHash({ sql, view, chart })}`}>
              {w.builder.asSql}
            </Link>
            <DownloadMenu result={run.tail?.result} sql={preview} />
            <Button look="main" why={person.may.create ? null : w.noAccess(w.questions.title)} onClick={() => setSaving(true)}>
              {w.ask.save}
            </Button>
          </div>
          {showing && (
            <pre className="code" role="region" aria-label={w.ask.editor} tabIndex={0}>
              {sql}
            </pre>
          )}
          <AnswerView run={run} view={view} chart={chart} onChart={(next) => onChange(builder, next)} retry={() => void start({ sql: preview })} />
        </section>
      </div>
      {saving && <SaveQuestion sheet={newSheet({ sql, view, chart })} builder={builder} parameters={parametersOf(builder, facts)} of={of} onClose={() => setSaving(false)} />}
    </main>
  );
}

/** One of the columns of all tables there are. */
function Columns({ builder, facts, value, only, label, onChange }: { builder: Parts; facts: ColumnFact[]; value: Ref | undefined; only?(type: string): boolean; label: string; onChange(ref: Ref): void }) {
  const tables = [builder.table, ...builder.joins];
  const key = (ref: Ref) => `${ref.at}:${ref.column}`;
  return (
    <select
      className="input"
      aria-label={label}
      value={value ? key(value) : ""}
      onChange={(event) => {
        const [at, ...column] = event.target.value.split(":");
        onChange({ at: Number(at), column: column.join(":") });
      }}
    >
      {!value && <option value="">{w.builder.column}</option>}
      {tables.map((table, at) => (
        <optgroup key={`${at}.${table.table}`} label={table.table}>
          {facts
            .filter((one) => one.table_schema === table.schema && one.table_name === table.table && (only?.(one.data_type) ?? true))
            .map((one) => (
              <option key={one.column_name} value={key({ at, column: one.column_name })}>
                {one.column_name}
              </option>
            ))}
        </optgroup>
      ))}
    </select>
  );
}

function Remove({ what, onClick }: { what: string; onClick(): void }) {
  return (
    <Button look="plain" aria-label={w.builder.remove(what)} onClick={onClick}>
      ×
    </Button>
  );
}

const replaced = <T,>(all: T[], at: number, one: T): T[] => all.map((other, i) => (i === at ? one : other));
const without = <T,>(all: T[], at: number): T[] => all.filter((_, i) => i !== at);

/** The first column that fits, for something new. */
function firstRef(builder: Parts, facts: ColumnFact[], only: (type: string) => boolean = () => true): Ref | undefined {
  const found = facts.find((one) => one.table_schema === builder.table.schema && one.table_name === builder.table.table && only(one.data_type));
  return found && { at: 0, column: found.column_name };
}

/** What people group by first: when it happened, then what has a few values; not what names each row. */
function likely(builder: Parts, facts: ColumnFact[], taken: Ref[]): Ref | undefined {
  const own = facts.filter((one) => one.table_schema === builder.table.schema && one.table_name === builder.table.table);
  const free = own.filter((one) => !taken.some((ref) => ref.at === 0 && ref.column === one.column_name));
  const names = (column: string) => /(^|_)(id|uuid|ip|key)$/.test(column);
  const timed = taken.some((ref) => isTime(typeOf(builder, facts, ref)));
  const found =
    (timed ? undefined : (free.find((one) => one.column_name === "timestamp" && isTime(one.data_type)) ?? free.find((one) => isTime(one.data_type)))) ??
    free.find((one) => !isNumber(one.data_type) && !isTime(one.data_type) && !names(one.column_name)) ??
    free[0] ??
    own[0];
  return found && { at: 0, column: found.column_name };
}

function Joins({ builder, facts, onChange }: PartProps) {
  const models = useModels();
  const offers = joinsOf(builder, models.data?.models ?? [], facts);
  return (
    <fieldset className="part">
      <legend>{w.builder.data}</legend>
      {builder.joins.map((join, at) => (
        <div key={`${join.schema}.${join.table}`} className="row">
          <span className="clip">
            + {join.table} <small className="quiet">{join.from.column}</small>
          </span>
          <span className="grow" />
          <Remove what={join.table} onClick={() => onChange(withoutJoin(builder, at))} />
        </div>
      ))}
      {offers.length > 0 ? (
        <Menu
          label={w.builder.addJoin}
          look="plain"
          items={offers.map((offer) => ({
            text: offer.table,
            hint: `${offer.from.column} = ${offer.column}${offer.repeats ? `; ${w.builder.repeats}` : ""}`,
            act: () => onChange({ ...builder, joins: [...builder.joins, { schema: offer.schema, table: offer.table, from: offer.from, column: offer.column }] }),
          }))}
        />
      ) : (
        models.isFetched && builder.joins.length === 0 && <small className="quiet" title={w.builder.noJoinsWhy}>{w.builder.noJoins}</small>
      )}
    </fieldset>
  );
}

function Filters({ builder, facts, onChange }: PartProps) {
  const set = (filters: Filter[]) => onChange({ ...builder, filters });
  const add = () => {
    const ref = firstRef(builder, facts);
    if (ref) set([...builder.filters, { ref, op: opsOf(typeOf(builder, facts, ref))[0] ?? "filled" }]);
  };
  return (
    <fieldset className="part">
      <legend>{w.builder.filter}</legend>
      {builder.filters.map((filter, at) => (
        // biome-ignore lint: filters have no names, and stand where they stand
        <FilterRow key={at} builder={builder} facts={facts} filter={filter} onChange={(next) => set(replaced(builder.filters, at, next))} onRemove={() => set(without(builder.filters, at))} />
      ))}
      <Button look="plain" onClick={add}>
        {w.builder.addFilter}
      </Button>
    </fieldset>
  );
}

function FilterRow({ builder, facts, filter, onChange, onRemove }: { builder: Parts; facts: ColumnFact[]; filter: Filter; onChange(filter: Filter): void; onRemove(): void }) {
  const type = typeOf(builder, facts, filter.ref);
  const wanted = valuesOf(filter.op);
  const kind = isNumber(type) || filter.op === "last" ? "number" : type === "date" ? "date" : isTime(type) ? "datetime-local" : "text";
  const list = `values-${filter.ref.at}-${filter.ref.column}`;
  const [seen, setSeen] = useState<string[]>([]);
  const table = filter.ref.at === 0 ? builder.table : builder.joins[filter.ref.at - 1];
  // What there is to choose from, once somebody is about to choose.
  const look = async () => {
    if (kind !== "text" || seen.length > 0 || !table) return;
    const column = quoted(filter.ref.column);
    const rows = await query<{ v: string }>(`select ${column} as v from ${quotedTable(table.schema, table.table)} where ${column} is not null group by 1 order by count(*) desc limit 50`).catch(() => []);
    setSeen(rows.map((row) => String(row.v)));
  };
  return (
    <div className="filterrow">
      <Columns
        builder={builder}
        facts={facts}
        label={w.builder.column}
        value={filter.ref}
        onChange={(ref) => {
          setSeen([]);
          const op = opsOf(typeOf(builder, facts, ref))[0] ?? "filled";
          onChange({ ref, op });
        }}
      />
      <Choice label={w.builder.operator} value={filter.op} options={opsOf(type).map((op) => [op, w.builder.ops[op] ?? op] as const)} onChange={(op) => onChange({ ...filter, op, other: op === "last" ? "days" : undefined, value: valuesOf(op) === 0 ? undefined : filter.value })} />
      <Remove what={filter.ref.column} onClick={onRemove} />
      {filter.op === "asked" && <small className="quiet">{w.builder.askedHint}</small>}
      {wanted > 0 && (
        <div className="row values">
          <Text aria-label={w.builder.value} title={filter.op === "in" ? w.builder.inHint : undefined} type={kind} list={kind === "text" && filter.op !== "in" ? list : undefined} value={filter.value ?? ""} onFocus={() => void look()} onChange={(event) => onChange({ ...filter, value: event.target.value })} />
          {filter.op === "between" && <Text aria-label={w.builder.to} type={kind} value={filter.other ?? ""} onChange={(event) => onChange({ ...filter, other: event.target.value })} />}
          {filter.op === "last" && <Choice label={w.builder.unit} value={filter.other ?? "days"} options={LAST_UNITS.map((unit) => [unit, w.builder.units[unit] ?? unit] as const)} onChange={(other) => onChange({ ...filter, other })} />}
          <datalist id={list}>
            {seen.map((value) => (
              <option key={value} value={value} />
            ))}
          </datalist>
        </div>
      )}
    </div>
  );
}

function Measures({ builder, facts, onChange }: PartProps) {
  const set = (measures: Parts["measures"]) => onChange({ ...builder, measures, sort: undefined });
  const fits = (fn: string) => (type: string) => (fn === "distinct" || fn === "min" || fn === "max" ? true : isNumber(type));
  return (
    <fieldset className="part">
      <legend>{w.builder.summarise}</legend>
      {builder.measures.map((measure, at) => (
        // biome-ignore lint: numbers have no names, and stand where they stand
        <div key={at} className={`filterrow ${measure.fn === "count" ? "alone" : ""}`}>
          <Choice
            label={w.builder.fn}
            value={measure.fn}
            options={FUNCTIONS.map((fn) => [fn, w.builder.fns[fn] ?? fn] as const)}
            onChange={(fn) => {
              const good = measure.ref && fits(fn)(typeOf(builder, facts, measure.ref)) ? measure.ref : firstRef(builder, facts, fits(fn));
              if (fn === "count") set(replaced(builder.measures, at, { fn }));
              else if (good) set(replaced(builder.measures, at, { fn, ref: good }));
            }}
          />
          {measure.fn !== "count" && <Columns builder={builder} facts={facts} label={w.builder.column} value={measure.ref} only={fits(measure.fn)} onChange={(ref) => set(replaced(builder.measures, at, { ...measure, ref }))} />}
          <Remove what={w.builder.fns[measure.fn] ?? ""} onClick={() => set(without(builder.measures, at))} />
        </div>
      ))}
      <Button look="plain" onClick={() => set([...builder.measures, { fn: "count" }])}>
        {w.builder.addMeasure}
      </Button>
    </fieldset>
  );
}

function Groups({ builder, facts, onChange }: PartProps) {
  const set = (groups: Parts["groups"]) => onChange({ ...builder, groups, measures: groups.length > 0 && builder.measures.length === 0 ? [{ fn: "count" }] : builder.measures, sort: undefined });
  const grainOf = (ref: Ref) => (isTime(typeOf(builder, facts, ref)) ? ("day" as const) : undefined);
  const timed = builder.groups.some((group) => group.grain);
  return (
    <fieldset className="part">
      <legend>{w.builder.by}</legend>
      {builder.groups.map((group, at) => (
        // biome-ignore lint: groups have no names, and stand where they stand
        <div key={at} className="filterrow">
          <Columns builder={builder} facts={facts} label={w.builder.column} value={group.ref} onChange={(ref) => set(replaced(builder.groups, at, { ref, grain: grainOf(ref) }))} />
          {isTime(typeOf(builder, facts, group.ref)) ? (
            <Choice
              label={w.builder.grain}
              value={group.grain ?? "none"}
              options={[...GRAINS.map((grain) => [grain, w.builder.grains[grain] ?? grain] as const), ["none", w.builder.grains.none ?? ""] as const]}
              onChange={(grain) => set(replaced(builder.groups, at, { ...group, grain: grain === "none" ? undefined : (grain as (typeof GRAINS)[number]) }))}
            />
          ) : (
            <span />
          )}
          <Remove what={group.ref.column} onClick={() => set(without(builder.groups, at))} />
        </div>
      ))}
      <Button
        look="plain"
        onClick={() => {
          const ref = likely(builder, facts, builder.groups.map((group) => group.ref));
          if (ref) set([...builder.groups, { ref, grain: grainOf(ref) }]);
        }}
      >
        {w.builder.addGroup}
      </Button>
      {timed && (
        <div className="row">
          <small className="quiet">{w.builder.zone}</small>
          <Choice
            label={w.builder.zone}
            value={builder.zone ?? "UTC"}
            options={[...new Set([zone, "UTC", ...(builder.zone ? [builder.zone] : [])])].map((one) => [one, one === zone ? w.builder.zoneHere(one) : one] as const)}
            onChange={(next) => onChange({ ...builder, zone: next })}
          />
        </div>
      )}
    </fieldset>
  );
}

function Order({ builder, facts, onChange }: PartProps) {
  const names = heads(builder);
  const shown = names.length > 0 ? names : facts.filter((one) => one.table_schema === builder.table.schema && one.table_name === builder.table.table).map((one) => one.column_name);
  return (
    <fieldset className="part">
      <legend>{w.builder.sort}</legend>
      <div className="filterrow">
        <Choice label={w.builder.sort} value={builder.sort?.column ?? ""} options={[["", w.builder.asItComes], ...shown.map((name) => [name, name] as const)]} onChange={(column) => onChange({ ...builder, sort: column ? { column, down: builder.sort?.down ?? true } : undefined })} />
        {builder.sort ? (
          <Choice
            label={w.builder.downwards}
            value={builder.sort.down ? "down" : "up"}
            options={[
              ["down", w.builder.downwards],
              ["up", w.builder.upwards],
            ]}
            onChange={(way) => builder.sort && onChange({ ...builder, sort: { ...builder.sort, down: way === "down" } })}
          />
        ) : (
          <span />
        )}
        <span />
      </div>
      <div className="row">
        <small className="quiet">{w.builder.limit}</small>
        <Text aria-label={w.builder.limit} type="number" min={1} max={1_000_000} style={{ width: 110 }} value={builder.limit} onChange={(event) => onChange({ ...builder, limit: Number(event.target.value) || 1 })} />
      </div>
    </fieldset>
  );
}
