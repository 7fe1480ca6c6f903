/** What feeds a table and what it feeds, drawn from left to right. */

import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { path } from "../lib/api";
import { Link, navigate, setSearch, usePlace } from "../lib/router";
import { type Edge, type Graph, graphOf, type Thing } from "../lib/lineage";
import { useModels } from "../lib/models";
import { useReads } from "../lib/reads";
import { deliveriesOf, useSchedules } from "../lib/runs";
import { query } from "../lib/rows";
import { usePerson } from "../lib/session";
import { useEventSources, useFetched } from "../lib/sources";
import { Choice, Empty, Loaded, Trouble } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";
import { useAlerts } from "./alerts";
import { useTables } from "./data";

export interface Placed {
  name: string;
  /** Steps from the table in the middle: less than 0 feeds it. */
  step: number;
  /** From the left. */
  column: number;
  y: number;
}

const WIDEST = 210;
const LEAST = 132;
const HEIGHT = 36;
const FARTHEST = 60;
const NEAREST = 28;

/** How wide boxes are, and how far apart: so that all of them fit, as long as one can read them. */
function narrowed(nodes: Placed[], room: number): [width: number, apart: number] {
  const columns = Math.max(0, ...nodes.map((node) => node.column)) + 1;
  const all = (width: number, apart: number) => columns * width + (columns - 1) * apart + 24;
  if (room === 0 || all(WIDEST, FARTHEST) <= room) return [WIDEST, FARTHEST];
  return [Math.max(LEAST, Math.min(WIDEST, Math.floor((room - 24 - (columns - 1) * NEAREST) / columns))), NEAREST];
}

/** Finds everything up and down from a table, and a place for each. */
export function layout(edges: Edge[], middle: string): { nodes: Placed[]; edges: Edge[] } {
  const steps = new Map([[middle, 0]]);
  const walk = (direction: 1 | -1) => {
    let front = [middle];
    for (let step = direction; front.length > 0 && Math.abs(step) < 20; step += direction) {
      const next = new Set<string>();
      for (const edge of edges) {
        const [near, far] = direction > 0 ? [edge.from, edge.to] : [edge.to, edge.from];
        if (front.includes(near) && !steps.has(far)) {
          steps.set(far, step);
          next.add(far);
        }
      }
      front = [...next];
    }
  };
  walk(-1);
  walk(1);
  // What is reached by a short and a long way stands behind all that leads to it; circles end the search.
  for (let round = 0, moved = true; moved && round < 20; round += 1) {
    moved = false;
    for (const { from, to } of edges) {
      const [a, b] = [steps.get(from), steps.get(to)];
      if (a === undefined || b === undefined || a < b || to === from) continue;
      if (a >= 0 && to !== middle) steps.set(to, Math.min(a + 1, 40));
      else if (b <= 0 && from !== middle) steps.set(from, Math.max(b - 1, -40));
      else continue;
      moved = true;
    }
  }
  const columns = [...new Set(steps.values())].sort((a, b) => a - b);
  const nodes: Placed[] = [];
  const highest = Math.max(...columns.map((step) => [...steps.values()].filter((other) => other === step).length));
  for (const [column, step] of columns.entries()) {
    const names = [...steps].filter(([, other]) => other === step).map(([name]) => name).sort();
    names.forEach((name, i) => {
      const y = 12 + (highest - names.length) * ((HEIGHT + 14) / 2) + i * (HEIGHT + 14);
      nodes.push({ name, step, column, y });
    });
  }
  const drawn = edges.filter((edge) => steps.has(edge.from) && steps.has(edge.to));
  return { nodes, edges: drawn };
}

export const useLineage = () =>
  useQuery({
    queryKey: ["lineage"],
    queryFn: ({ signal }) =>
      query<Edge>(
        `select distinct source_schema || '.' || source_table as "from", schema_name || '.' || table_name as "to"
         from weir.lineage where source_table is not null`,
        [],
        signal,
      ),
  });

interface ColumnEdge extends Edge {
  table: string;
  column: string;
}

/** Which column is made of which, as `schema.table.column`. */
const useColumnLineage = () =>
  useQuery({
    queryKey: ["column lineage"],
    queryFn: ({ signal }) =>
      query<ColumnEdge>(
        `select source_schema || '.' || source_table || '.' || source_column as "from", schema_name || '.' || table_name || '.' || column_name as "to",
         schema_name || '.' || table_name as "table", column_name as "column"
         from weir.lineage where source_table is not null`,
        [],
        signal,
      ),
  });

/** All that is known to hang together, as soon as any of it is: what comes later is added. */
function useGraph(edges: Edge[]): { graph: Graph; reads: ReturnType<typeof useReads> } {
  const person = usePerson();
  const tables = useTables();
  const models = useModels();
  const events = useEventSources(person.may.manage_sources);
  const fetched = useFetched(person.may.manage_sources);
  const reads = useReads();
  const alerts = useAlerts();
  const schedules = useSchedules(person.may.operate);
  const deliveries = useMemo(() => deliveriesOf(schedules.data?.schedules ?? []), [schedules.data]);
  const graph = useMemo(
    () =>
      graphOf({
        edges,
        tables: tables.data ?? [],
        models: models.data?.models ?? [],
        sources: [...new Set([...(events.data ?? []).map((one) => one.name), ...(fetched.data ?? []).map((one) => one.source)])],
        questions: reads.data?.questions ?? [],
        reads: reads.data?.reads ?? new Map(),
        dashboards: reads.data?.dashboards ?? [],
        alerts: alerts.data ?? [],
        deliveries,
      }),
    [edges, tables.data, models.data, events.data, fetched.data, reads.data, alerts.data, deliveries],
  );
  return { graph, reads };
}

export function Lineage({ schema, table }: { schema: string; table: string }) {
  const lineage = useLineage();
  return <Loaded of={lineage}>{(edges) => <Woven here={`${schema}.${table}`} edges={edges} />}</Loaded>;
}

function Woven({ here, edges }: { here: string; edges: Edge[] }) {
  const { search } = usePlace();
  const column = search.get("column") ?? "";
  const columns = useColumnLineage();
  const { graph, reads } = useGraph(edges);
  const columnHref = (name: string) => {
    const [schema = "", table = "", ...rest] = name.split(".");
    return `${path`/data/${schema}/${table}`}?${new URLSearchParams({ tab: "lineage", column: rest.join(".") })}`;
  };
  const known = [...new Set((columns.data ?? []).flatMap((edge) => [edge.from, edge.to]).filter((name) => name.startsWith(`${here}.`)).map((name) => name.slice(here.length + 1)))].sort();
  if (!graph.edges.some((edge) => edge.from === here || edge.to === here)) {
    return (
      <>
        <Empty title={w.data.lineage}>{w.data.noLineage}</Empty>
        <Unknown reads={reads} />
      </>
    );
  }
  return (
    <div className="stack">
      {known.length > 0 && (
        <div className="narrow-field">
          <Choice label={w.data.columnLineage} value={column} options={[["", w.data.wholeTable], ...known.map((name) => [name, name] as const)]} onChange={(name) => setSearch({ column: name })} />
        </div>
      )}
      {column && known.includes(column) ? (
        <Drawing
          edges={columns.data ?? []}
          here={`${here}.${column}`}
          title={(name) => name.split(".").slice(2).join(".")}
          kind={(name) => name.split(".").slice(0, 2).join(".")}
          href={columnHref}
        />
      ) : (
        <>
          <Drawing edges={graph.edges} here={here} title={(key) => graph.things.get(key)?.name ?? key} kind={(key) => kindOf(graph.things.get(key))} href={(key) => graph.things.get(key)?.href} />
          <Impact graph={graph} here={here} />
        </>
      )}
      <Unknown reads={reads} />
    </div>
  );
}

/** What a thing is; a kind that nobody here has a word for is called as the server calls it. */
const kindOf = (thing: Thing | undefined): string => (thing ? (thing.note ? (w.models.kinds[thing.note] ?? thing.note) : (w.data.things[thing.kind] ?? thing.kind)) : w.data.things.table) ?? "";

/** A thing's name, which leads to its page. */
function Named({ graph, name }: { graph: Graph; name: string }) {
  const thing = graph.things.get(name);
  return thing && !thing.href ? thing.name : <Link href={thing?.href ?? "/data"}>{thing?.name ?? name}</Link>;
}

/** What would break: everything that rests on it, the nearest first. */
function Impact({ graph, here }: { graph: Graph; here: string }) {
  const below = useMemo(() => layout(graph.edges, here).nodes.filter((node) => node.step > 0), [graph, here]);
  if (below.length === 0) return null;
  return (
    <section className="stack" aria-label={w.data.impact}>
      <h2>{w.data.impact}</h2>
      <List
        card
        label={w.data.impact}
        rows={below}
        keyOf={(node) => node.name}
        columns={[
          { head: w.common.name, cell: (node) => <Named graph={graph} name={node.name} /> },
          { head: w.models.kind, cell: (node) => kindOf(graph.things.get(node.name)) },
          { head: w.owners.owner, cell: (node) => graph.things.get(node.name)?.owner ?? "" },
          { head: w.data.away, number: true, cell: (node) => node.step },
        ]}
      />
    </section>
  );
}

/** What may rest on it as well, and why that is not known. */
function Unknown({ reads }: { reads: ReturnType<typeof useReads> }) {
  if (reads.error) return <Trouble error={reads.error} retry={() => void reads.refetch()} />;
  const { unknown = [], left = 0 } = reads.data ?? {};
  return (
    <>
      {unknown.length > 0 && (
        <div className="small">
          <p className="quiet">{w.data.unknownReads}</p>
          <ul className="row wrap">
            {unknown.map((one) => (
              <li key={one.id}>
                <Link href={path`/q/${one.id}`}>{one.name}</Link>
              </li>
            ))}
          </ul>
        </div>
      )}
      {left > 0 && <p className="quiet small">{w.data.leftReads(left)}</p>}
    </>
  );
}

interface DrawingProps {
  edges: Edge[];
  here: string;
  /** What a box says; its name when left out. */
  title?(name: string): string;
  /** What it is, below it. */
  kind?(name: string): string;
  /** Its page, where it has one. */
  href(name: string): string | undefined;
}

/** Draws what lies before and behind one thing. */
export function Drawing({ edges, here, title = (name) => name, kind, href }: DrawingProps) {
  const found = useMemo(() => layout(edges, here), [edges, here]);
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(0);
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => setRoom(entry?.contentRect.width ?? 0));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const [boxWidth, apart] = useMemo(() => narrowed(found.nodes, room), [found, room]);
  const placed = useMemo(() => ({ ...found, nodes: found.nodes.map((node) => ({ ...node, x: 12 + node.column * (boxWidth + apart) })) }), [found, boxWidth, apart]);
  const at = new Map(placed.nodes.map((node) => [node.name, node]));
  const width = Math.max(...placed.nodes.map((node) => node.x)) + boxWidth + 12;
  // Where not all of it fits, what it is about is in view.
  const middle = at.get(here)?.x ?? 0;
  useEffect(() => {
    if (box.current && room > 0) box.current.scrollLeft = middle + boxWidth / 2 - room / 2;
  }, [middle, boxWidth, room]);
  const height = Math.max(...placed.nodes.map((node) => node.y)) + HEIGHT + 12;
  const below = placed.nodes.filter((node) => node.step > 0).length;
  return (
    <div className="stack">
      <p className="quiet">{w.data.breaks(below)}</p>
      <div className="lineage" ref={box}>
        <svg width={width} height={height} role="group" aria-label={w.data.lineage}>
          {placed.edges.map((edge) => {
            const [a, b] = [at.get(edge.from), at.get(edge.to)];
            if (!a || !b) return null;
            const [x1, y1, x2, y2] = [a.x + boxWidth, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2];
            return <path key={`${edge.from}→${edge.to}`} d={`M${x1} ${y1}C${x1 + 30} ${y1} ${x2 - 30} ${y2} ${x2} ${y2}`} />;
          })}
          {placed.nodes.map((node) => {
            const to = href(node.name);
            const leads = to === undefined ? { role: "img" } : { role: "link", tabIndex: 0, style: { cursor: "pointer" }, onClick: () => navigate(to), onKeyDown: (event: KeyboardEvent) => event.key === "Enter" && navigate(to) };
            return (
              <g
                key={node.name}
                className={node.name === here ? "here" : ""}
                transform={`translate(${node.x} ${node.y})`}
                aria-label={kind ? `${title(node.name)} ${kind(node.name)}` : title(node.name)}
                {...leads}
              >
                <rect width={boxWidth} height={HEIGHT} rx="6" />
                {/* A picture of its own cuts off what is too long, and keeps it whole for whoever hears it. */}
                <svg x="10" width={boxWidth - 16} height={HEIGHT}>
                  <title>{title(node.name)}</title>
                  <text y={kind ? 16 : 22}>
                    {title(node.name)}{" "}
                    {kind && (
                      <tspan x="0" y="29" className="kind">
                        {kind(node.name)}
                      </tspan>
                    )}
                  </text>
                </svg>
              </g>
            );
          })}
        </svg>
      </div>
    </div>
  );
}
