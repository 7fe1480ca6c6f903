/** A frozen answer: exactly what somebody saw. */

import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Chart, ChartChoice } from "../charts/chart";
import { type ChartSpec, suggest } from "../charts/spec";
import { get, path } from "../lib/api";
import { bytes, count, moment } from "../lib/format";
import { Link } from "../lib/router";
import { type ResultInfo, tableOf } from "../lib/rows";
import { pageOf, useRows } from "../lib/run";
import { toHash } from "../lib/sheets";
import { type View, ViewChoice } from "../parts/answer";
import { Badge, Loaded, useTitle } from "../parts/basics";
import { Grid } from "../parts/grid";
import { words as w } from "../words";
import { DownloadMenu, ShareMenu } from "./share";

export function Result({ id }: { id: string }) {
  useTitle(w.ask.frozen);
  const result = useQuery({
    queryKey: ["result", id],
    queryFn: async ({ signal }) => {
      const info = await get<ResultInfo>(path`/api/v1/results/${id}`, signal);
      const first = await pageOf(id, 0, 5000, signal);
      return { info, rows: first.rows };
    },
  });
  return (
    <main className="page full" id="page">
      <Loaded of={result}>{({ info, rows }) => <Shown info={info} rows={rows} />}</Loaded>
    </main>
  );
}

function Shown({ info, rows }: { info: ResultInfo; rows: unknown[][] }) {
  const [view, setView] = useState<View>("table");
  const [spec, setSpec] = useState<ChartSpec>(() => suggest(info.columns, rows.slice(0, 200)));
  const source = useRows(info.columns, rows, info);
  const when = moment(info.created_at);
  const read = useMemo(() => Object.entries(info.versions).map(([table, pinned]) => `${tableOf(table)}${pinned.version === null ? "" : ` v${pinned.version}`}`), [info.versions]);
  return (
    <div className="asking reading">
      <div className="head">
        <h1>{w.ask.frozen}</h1>
        <Badge look="good" title={w.ask.frozenHint(info.made_by, when)}>
          {w.ask.resultOf(info.made_by, when)}
        </Badge>
        {info.pinned && <Badge>{w.ask.pinned}</Badge>}
        <div className="actions">
          {info.question ? (
            <Link className="button" href={`/q/${info.question}`}>
              {w.ask.openLive}
            </Link>
          ) : (
            <Link className="button" href={`/ask#${toHash({ sql: info.sql, view: "table" })}`}>
              {w.ask.askAgain}
            </Link>
          )}
          <ShareMenu result={info} />
          <DownloadMenu result={info} sql={info.sql} />
        </div>
      </div>
      <div className="tools">
        <span className="quiet small">{w.ask.frozenHint(info.made_by, when)}</span>
        <span className="grow" />
        <span className="quiet small">
          {w.ask.rows(count(info.rows))} · {bytes(info.bytes)}
        </span>
        <ViewChoice view={view} onChange={setView} />
      </div>
      <section className="answer" aria-label={w.ask.frozen}>
        <details className="message">
          <summary>
            {w.ask.editor} · {w.ask.reads}: {read.join(", ") || w.common.none}
          </summary>
          <pre>{info.sql}</pre>
        </details>
        <div className="body">
          {view !== "chart" && (
            <div className="pane">
              <Grid source={source} />
            </div>
          )}
          {view !== "table" && (
            <div className="pane">
              <ChartChoice spec={spec} columns={info.columns} rows={rows} onChange={setSpec} />
              <Chart spec={spec} columns={info.columns} rows={rows} all={info.rows} at={info.created_at} title={w.ask.chart} />
            </div>
          )}
        </div>
      </section>
    </div>
  );
}
