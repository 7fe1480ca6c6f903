/** A dashboard on a page of others: no rail, no session, only what the link shows. */

import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Chart } from "../charts/chart";
import { type ChartSpec, suggest } from "../charts/spec";
import { ApiError, failure } from "../lib/api";
import { usePlace } from "../lib/router";
import { type Column, read, type Row } from "../lib/rows";
import { AsOf } from "../parts/asof";
import { Loaded, Trouble, useTitle, Waiting } from "../parts/basics";
import { words as w } from "../words";
import { type Filter, onTab, ownDefault, paramsOf, type Said, type Tab } from "./board";
import { today } from "./board-range";
import { FilterInput } from "./dashboard-filter";
import { TileText } from "./tile-text";

interface ShownTile {
  id: string;
  title?: string;
  text?: string;
  question?: boolean;
  chart?: ChartSpec | null;
  parameters?: string[];
  tab?: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

interface Shown {
  name: string;
  tiles: ShownTile[];
  tabs?: Tab[] | null;
  filters: Filter[];
}

/** Asks with the link's secret, which stands behind the `#` and is in no address that is sent. */
async function ask(secret: string, method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "weir-embed": secret };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal, credentials: "omit", redirect: "error" }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", w.failure.unreachable);
  });
  if (!response.ok) throw await failure(response);
  return response;
}

export function Embedded() {
  const { hash } = usePlace();
  const shown = useQuery({
    queryKey: ["embedded", hash],
    queryFn: async ({ signal }) => (await (await ask(hash, "GET", "/api/v1/embed", undefined, signal)).json()) as Shown,
    retry: false,
  });
  return (
    <main className="embedded" id="page">
      <Loaded of={shown}>{(dashboard) => <Board secret={hash} shown={dashboard} />}</Loaded>
    </main>
  );
}

function Board({ secret, shown }: { secret: string; shown: Shown }) {
  useTitle(shown.name);
  const tabs = shown.tabs ?? [];
  const [tab, setTab] = useState(tabs[0]?.id);
  const [values, setValues] = useState<Record<string, Said>>({});
  const saidOf = (filter: Filter): Said => (filter.name in values ? (values[filter.name] ?? null) : ownDefault(filter));
  const day = today();
  const params = useMemo(() => paramsOf(shown.filters, saidOf, day), [shown.filters, values, day]);
  const tiles = shown.tiles.filter((tile) => onTab(tile, tabs, tab));
  return (
    <>
      <div className="head">
        <h1>{shown.name}</h1>
      </div>
      {tabs.length > 0 && (
        <div className="tabs" role="group" aria-label={w.dashboards.tabs}>
          {tabs.map((one) => (
            <button type="button" key={one.id} className="tab" aria-pressed={one.id === tab} onClick={() => setTab(one.id)}>
              {one.name}
            </button>
          ))}
        </div>
      )}
      {shown.filters.length > 0 && (
        <div className="filters" role="group" aria-label={w.dashboards.filter}>
          {shown.filters.map((filter) => (
            <div key={filter.name} className="row">
              <FilterInput filter={{ ...filter, values: undefined }} value={saidOf(filter)} defaults={filter.default ? [ownDefault(filter)] : []} onChange={(value) => setValues({ ...values, [filter.name]: value === "" ? ownDefault(filter) : value })} />
            </div>
          ))}
        </div>
      )}
      <div className="board">
        {tiles.map((tile) => (
          <section key={tile.id} className={`tile ${tile.h <= 3 ? "short" : ""}`} aria-label={tile.title ?? w.dashboards.text} style={{ gridColumn: `${tile.x + 1} / span ${tile.w}`, gridRow: `${tile.y + 1} / span ${tile.h}` }}>
            <header>
              <h2 className="clip">{tile.title}</h2>
            </header>
            {tile.text !== undefined ? <div className="inside"><TileText text={tile.text} framed /></div> : <Asked secret={secret} tile={tile} params={params} />}
          </section>
        ))}
      </div>
    </>
  );
}

function Asked({ secret, tile, params: all }: { secret: string; tile: ShownTile; params: Record<string, Said> }) {
  const params = useMemo(() => Object.fromEntries(Object.entries(all).filter(([name]) => tile.parameters?.includes(name))), [all, tile.parameters]);
  const answer = useQuery({
    queryKey: ["embedded tile", secret, tile.id, params],
    queryFn: async ({ signal }) => {
      const found = { columns: [] as Column[], rows: [] as Row[] };
      const response = await ask(secret, "POST", `/api/v1/embed/tiles/${encodeURIComponent(tile.id)}`, { params }, signal);
      const tail = await read(response, {
        columns: (columns) => {
          found.columns = columns;
        },
        rows: (rows) => {
          found.rows.push(...rows);
        },
      });
      return { ...found, at: tail.result?.created_at };
    },
    placeholderData: (before) => before,
  });
  if (answer.error) {
    return (
      <div className="inside message">
        <Trouble error={answer.error} retry={() => void answer.refetch()} />
      </div>
    );
  }
  if (!answer.data) {
    return (
      <div className="inside">
        <Waiting />
      </div>
    );
  }
  const { columns, rows, at } = answer.data;
  return (
    <>
      <div className="inside">
        <Chart spec={tile.chart ?? suggest(columns, rows)} columns={columns} rows={rows} at={at} title={tile.title ?? ""} />
      </div>
      <footer>{at && <AsOf at={at} />}</footer>
    </>
  );
}
