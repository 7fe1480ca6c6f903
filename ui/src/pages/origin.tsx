/** Where a number comes from: the question, what it read as of when, and what feeds that. */

import { useMemo } from "react";
import { path } from "../lib/api";
import { ago, count, duration, moment } from "../lib/format";
import { useLastSteps, useModels } from "../lib/models";
import { Link } from "../lib/router";
import { type ResultInfo, tableOf } from "../lib/rows";
import { Badge, Button, Dialog } from "../parts/basics";
import { StateBadge } from "../parts/state";
import { words as w } from "../words";
import { useLineage } from "./lineage";

/** Everything that lies before some tables, the nearest first. */
export function before(edges: { from: string; to: string }[], tables: string[]): string[] {
  const found: string[] = [];
  let front = tables;
  while (front.length > 0 && found.length < 200) {
    const next = [...new Set(edges.filter((edge) => front.includes(edge.to)).map((edge) => edge.from))].filter((name) => !found.includes(name) && !tables.includes(name));
    found.push(...next);
    front = next;
  }
  return found;
}

export function Origin({ result, title, onClose }: { result: ResultInfo; title: string; onClose(): void }) {
  const lineage = useLineage();
  const models = useModels();
  const steps = useLastSteps();
  const tables = useMemo(() => [...new Set([...result.reads, ...Object.keys(result.versions)])], [result]);
  const upstream = useMemo(() => before(lineage.data ?? [], tables.map(tableOf)), [lineage.data, tables]);
  const modelOf = (name: string) => models.data?.models.find((model) => `${model.schema}.${model.table}` === name);
  const line = (key: string) => {
    const name = tableOf(key);
    const [schema = "", ...table] = name.split(".");
    const model = modelOf(name);
    const last = model && steps.data?.get(model.asset);
    const pinned = result.versions[key];
    return (
      <li key={key} className="row wrap">
        <Link href={path`/data/${schema}/${table.join(".")}`}>{name}</Link>
        {pinned && pinned.version !== null && <Badge>{w.ask.version(pinned.version)}</Badge>}
        {pinned && pinned.rows_in_memory > 0 && <span className="quiet small">{w.data.inMemory(count(pinned.rows_in_memory))}</span>}
        {model && model.kind !== "source" && (
          <Link className="small" href={path`/models/${model.asset}`}>
            {w.models.kinds[model.kind]}
          </Link>
        )}
        {last && (
          <>
            <StateBadge state={last.state} title={last.reason ?? undefined} />
            <span className="quiet small">{ago(last.ended_at ?? last.started_at)}</span>
          </>
        )}
      </li>
    );
  };
  return (
    <Dialog title={`${w.origin.title} ${title}`} wide onClose={onClose}>
      <div className="stack">
        <p>{w.origin.asked(result.made_by, moment(result.created_at), duration(result.elapsed_ms))}</p>
        <h3>{w.origin.reads}</h3>
        <ul className="stack tight">{tables.map(line)}</ul>
        {upstream.length > 0 && (
          <>
            <h3>{w.origin.feeds}</h3>
            <ul className="stack tight">{upstream.map(line)}</ul>
          </>
        )}
        <details>
          <summary>{w.ask.editor}</summary>
          <pre className="code">{result.sql}</pre>
        </details>
        <div className="row">
          <Link className="button" href={`/r/${result.id}`}>
            {w.origin.open}
          </Link>
          <Button onClick={onClose}>{w.common.close}</Button>
        </div>
      </div>
    </Dialog>
  );
}
