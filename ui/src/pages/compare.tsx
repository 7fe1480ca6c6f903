/** Two answers side by side: what came, what went, what has other values. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get, path } from "../lib/api";
import { compare, shared, usualKey } from "../lib/compare";
import { cell, count, isNumber, moment } from "../lib/format";
import { Link, setSearch, usePlace } from "../lib/router";
import type { Cell, Column, ResultInfo, Row } from "../lib/rows";
import { pageOf } from "../lib/run";
import { Badge, Empty, Loaded, useTitle } from "../parts/basics";
import { Grid, inMemory } from "../parts/grid";
import { words as w } from "../words";

/** Rows of each answer that are compared. */
const MOST = 50_000;

const useAnswer = (id: string) =>
  useQuery({
    queryKey: ["compared", id],
    queryFn: async ({ signal }) => {
      const info = await get<ResultInfo>(path`/api/v1/results/${id}`, signal);
      return { info, ...(await pageOf(id, 0, MOST, signal)) };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

type Loadeds = NonNullable<ReturnType<typeof useAnswer>["data"]>;

export function Compare({ id, other }: { id: string; other: string }) {
  useTitle(w.compare.title);
  const [a, b] = [useAnswer(id), useAnswer(other)];
  return (
    <main className="page full" id="page">
      <Loaded of={a} gone={w.ask.expired}>{(one) => <Loaded of={b} gone={w.ask.expired}>{(two) => (one.info.created_at <= two.info.created_at ? <Shown before={one} after={two} /> : <Shown before={two} after={one} />)}</Loaded>}</Loaded>
    </main>
  );
}

const told = (value: Cell, column: Column) => cell(value, column.type);

/** Writes a value that changed as both, and numbers with the difference. */
function both(before: Cell, after: Cell, column: Column): string {
  const text = w.compare.wasIs(told(before, column), told(after, column));
  if (!isNumber(column.type) || typeof before !== "number" || typeof after !== "number") return text;
  const change = after - before;
  return `${text} (${change > 0 ? "+" : ""}${told(change, column)})`;
}

function Shown({ before, after }: { before: Loadeds; after: Loadeds }) {
  const { search } = usePlace();
  const columns = useMemo(() => shared(before.columns, after.columns), [before, after]);
  const chosen = search.getAll("key").flatMap((one) => one.split("\0")).filter((name) => columns.some((column) => column.name === name));
  const key = chosen.length > 0 ? chosen : usualKey(columns);
  const found = useMemo(() => compare(before, after, key), [before, after, key.join("\0")]);
  const source = useMemo(() => {
    const heads: Column[] = [{ name: w.compare.fate, type: "text" }, ...found.columns.map((column) => ({ ...column, type: key.includes(column.name) ? column.type : "text" }))];
    const fates = { new: w.compare.isNew, gone: w.compare.isGone, changed: w.compare.isChanged };
    const rows: Row[] = found.differences.map((one) => [
      fates[one.fate],
      ...found.columns.map((column, i) => {
        const [was, is] = [one.before?.[i], one.after?.[i]];
        if (one.fate !== "changed" || JSON.stringify(was) === JSON.stringify(is)) {
          const value = one.after ? is : was;
          return key.includes(column.name) ? value : told(value, column);
        }
        return both(was, is, column);
      }),
    ]);
    return inMemory(heads, rows);
  }, [found, key.join("\0")]);
  const cut = Math.max(before.info.rows, after.info.rows) > MOST;
  const toggle = (name: string) => {
    const next = key.includes(name) ? key.filter((other) => other !== name) : [...key, name];
    setSearch({ key: next.join("\0") });
  };
  return (
    <div className="asking reading">
      <div className="head">
        <h1>{w.compare.title}</h1>
        <Link className="badge" href={`/r/${before.info.id}`}>
          {moment(before.info.created_at)}
        </Link>
        →
        <Link className="badge" href={`/r/${after.info.id}`}>
          {moment(after.info.created_at)}
        </Link>
        <div className="actions">
          {before.info.question && (
            <Link className="button" href={`/q/${before.info.question}`}>
              {w.ask.openLive}
            </Link>
          )}
        </div>
      </div>
      <div className="tools">
        <Badge look={found.counts.new > 0 ? "good" : undefined}>{w.compare.added(count(found.counts.new))}</Badge>
        <Badge look={found.counts.gone > 0 ? "warn" : undefined}>{w.compare.gone(count(found.counts.gone))}</Badge>
        <Badge look={found.counts.changed > 0 ? "warn" : undefined}>{w.compare.changed(count(found.counts.changed))}</Badge>
        <span className="quiet small">{w.compare.stayed(count(found.counts.same))}</span>
        <span className="grow" />
        <fieldset className="row wrap plainset">
          <legend className="hidden">{w.compare.key}</legend>
          <span className="quiet small">{w.compare.key}</span>
          {columns.slice(0, 12).map((column) => (
            <label key={column.name} className="check small">
              <input type="checkbox" checked={key.includes(column.name)} disabled={key.length === 1 && key.includes(column.name)} onChange={() => toggle(column.name)} />
              {column.name}
            </label>
          ))}
        </fieldset>
      </div>
      <section className="answer" aria-label={w.compare.title}>
        {cut && <p className="message note">{w.compare.tooMany(count(MOST))}</p>}
        {columns.length < Math.max(before.columns.length, after.columns.length) && <p className="message note">{w.compare.columns}</p>}
        {found.differences.length === 0 ? (
          <div className="message">
            <Empty title={w.compare.same} />
          </div>
        ) : (
          <div className="body">
            <div className="pane">
              <Grid source={source} label={w.compare.title} />
            </div>
          </div>
        )}
      </section>
    </div>
  );
}
