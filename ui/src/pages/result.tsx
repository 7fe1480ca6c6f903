/** A frozen answer: exactly what somebody saw. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Chart, ChartChoice } from "../charts/chart";
import { suggest } from "../charts/spec";
import { ApiError, get, path } from "../lib/api";
import type { QuestionBody, Saved } from "../lib/documents";
import { bytes, count, moment } from "../lib/format";
import { Link, navigate, usePlace } from "../lib/router";
import { type ResultInfo, tableOf } from "../lib/rows";
import { pageOf, useRows } from "../lib/run";
import { toHash } from "../lib/sheets";
import { ViewChoice } from "../parts/answer";
import { Badge, Loaded, useTitle } from "../parts/basics";
import { Grid } from "../parts/grid";
import { words as w } from "../words";
import { DownloadMenu, ShareMenu } from "./share";
import { frozenLink, type LookedAt, lookedAt } from "./share-link";

/** Finds the question as it was when it was asked; none where it is gone, or one may not open it. */
async function askedBy(id: string, version: number | null, signal: AbortSignal): Promise<Saved<QuestionBody> | null> {
  try {
    return await get<Saved<QuestionBody>>(path`/api/v1/questions/${id}` + (version === null ? "" : `?version=${version}`), signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export function Result({ id }: { id: string }) {
  const result = useQuery({
    queryKey: ["result", id],
    queryFn: async ({ signal }) => {
      const info = await get<ResultInfo>(path`/api/v1/results/${id}`, signal);
      const first = await pageOf(id, 0, 5000, signal);
      const question = info.question ? await askedBy(info.question, info.question_version, signal) : null;
      return { info, rows: first.rows, question };
    },
  });
  return (
    <Loaded of={result} page gone={w.ask.expired}>
      {({ info, rows, question }) => (
        <main className="page full" id="page">
          <Shown info={info} rows={rows} question={question} />
        </main>
      )}
    </Loaded>
  );
}

function Shown({ info, rows, question }: { info: ResultInfo; rows: unknown[][]; question: Saved<QuestionBody> | null }) {
  const { hash } = usePlace();
  const given = useMemo(() => lookedAt(hash), [hash]);
  // Whoever may open the question reads its name there; a link can be written by anybody.
  const name = question?.name ?? given.name;
  useTitle(name ?? w.ask.frozen);
  const view = given.view ?? question?.body.view ?? "table";
  const chart = given.chart ?? question?.body.chart;
  const spec = useMemo(() => chart ?? suggest(info.columns, rows.slice(0, 200)), [chart, info.columns, rows]);
  const look = (part: LookedAt) => navigate(frozenLink(info.id, { name: given.name, view, chart, ...part }), { replace: true });
  const source = useRows(info.columns, rows, info);
  const when = moment(info.created_at);
  const read = useMemo(() => Object.entries(info.versions).map(([table, pinned]) => `${tableOf(table)}${pinned.version === null ? "" : ` v${pinned.version}`}`), [info.versions]);
  return (
    <div className="asking reading">
      <div className="head">
        <h1>{name ?? w.ask.frozen}</h1>
        {name !== undefined && <Badge>{w.ask.frozen}</Badge>}
        <Badge look="good" title={w.ask.frozenHint(info.made_by, when)}>
          {w.ask.resultOf(info.made_by, when)}
        </Badge>
        {info.pinned && <Badge>{w.ask.pinned}</Badge>}
        <div className="actions">
          {info.question && question ? (
            <Link className="button" href={`/q/${info.question}`}>
              {w.ask.openLive}
            </Link>
          ) : (
            <Link className="button" href={`/ask#${toHash({ sql: info.sql, view: "table" })}`}>
              {w.ask.askAgain}
            </Link>
          )}
          <ShareMenu result={info} shown={{ name, view, chart }} />
          <DownloadMenu result={info} sql={info.sql} />
        </div>
      </div>
      <div className="tools">
        <span className="quiet small">{w.ask.frozenHint(info.made_by, when)}</span>
        <span className="grow" />
        <span className="quiet small">
          {w.ask.rows(count(info.rows))} · {bytes(info.bytes)}
        </span>
        <ViewChoice view={view} onChange={(next) => look({ view: next })} />
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
              <ChartChoice spec={spec} columns={info.columns} rows={rows} onChange={(next) => look({ chart: next })} />
              <Chart spec={spec} columns={info.columns} rows={rows} all={info.rows} at={info.created_at} title={name ?? w.ask.chart} />
            </div>
          )}
        </div>
      </section>
    </div>
  );
}
