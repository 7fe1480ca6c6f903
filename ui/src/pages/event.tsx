/** Did I instrument this? One event: when it was seen, how often, and what comes with it. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Chart } from "../charts/chart";
import { ApiError } from "../lib/api";
import { ago, count, moment, ratio } from "../lib/format";
import { Link } from "../lib/router";
import { ask, OWN, query } from "../lib/rows";
import { usePerson } from "../lib/session";
import { toHash } from "../lib/sheets";
import { quoted } from "../lib/sqltext";
import { Badge, Empty, Loaded, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";

interface Facts {
  n: number;
  first_at: string | null;
  last_at: string | null;
  table_name: string | null;
}

const NOTHING: Facts = { n: 0, first_at: null, last_at: null, table_name: null };

interface Property {
  name: string;
  type: string;
  filled: number;
  examples: string[];
}

/** Rows that properties are told from. */
const SAMPLE = 1_000;

export function Event({ source, event }: { source: string; event: string }) {
  useTitle(event);
  const person = usePerson();
  const tracks = `${quoted(source)}.tracks`;
  const facts = useQuery({
    queryKey: ["event", source, event],
    queryFn: async ({ signal }) =>
      (
        await query<Facts>(
          `select count(*) as n, min(received_at) as first_at, max(received_at) as last_at, max(event) as table_name from ${tracks} where event_text = $1`,
          [event],
          signal,
        ).catch((error: unknown) => {
          // Before the first event, and for whoever may not read them, there is no such table.
          if (error instanceof ApiError && error.code === "undefined_table") return [];
          throw error;
        })
      )[0] ?? NOTHING,
  });
  const days = useQuery({
    queryKey: ["event days", source, event],
    enabled: (facts.data?.n ?? 0) > 0,
    queryFn: ({ signal }) =>
      ask(
        "/api/v1/query",
        { sql: `${OWN} select date_trunc('day', received_at) as day, count(*) as events from ${tracks} where event_text = $1 group by 1 order by 1`, params: [event], format: "json" },
        signal,
      ),
  });
  const table = facts.data?.table_name ?? null;
  const sample = useQuery({
    queryKey: ["event sample", source, table],
    enabled: table !== null,
    queryFn: ({ signal }) => ask("/api/v1/query", { sql: `${OWN} select * from ${quoted(source)}.${quoted(table ?? "")} order by received_at desc limit ${SAMPLE}`, format: "json" }, signal),
  });
  const properties = useMemo<Property[]>(() => {
    const answer = sample.data;
    if (!answer) return [];
    return answer.columns.map((column, i) => {
      const filled = answer.rows.filter((row) => row[i] !== null);
      const examples = [...new Set(filled.map((row) => (typeof row[i] === "object" ? JSON.stringify(row[i]) : String(row[i]))))].slice(0, 3);
      return { name: column.name, type: column.type, filled: answer.rows.length > 0 ? filled.length / answer.rows.length : 0, examples };
    });
  }, [sample.data]);
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>
          <Link href="/events">{w.events.title}</Link> / {event}
        </h1>
        <Badge>{source}</Badge>
        <div className="actions">
          <Link className="button main" href={`/ask#${toHash({ sql: `select *\nfrom ${quoted(source)}.${quoted(table ?? "tracks")}\norder by received_at desc\nlimit 100`, view: "table" })}`}>
            {w.data.askThis}
          </Link>
        </div>
      </div>
      <Loaded of={facts}>
        {(known) =>
          known.n === 0 || !known.first_at || !known.last_at ? (
            <Empty title={person.may.manage_sources ? w.events.empty : w.events.noneForYou} />
          ) : (
            <div className="stack">
              <div className="row wrap">
                <Badge look="good">{w.ask.rows(count(known.n))}</Badge>
                <span>
                  {w.events.first}: {moment(known.first_at)}
                </span>
                <span>
                  {w.events.last}: {ago(known.last_at)}
                </span>
              </div>
              <section className="card pane" style={{ height: 260 }} aria-label={w.events.trend}>
                <Loaded of={days}>{(answer) => <Chart spec={{ kind: "bar", x: "day", y: ["events"] }} columns={answer.columns} rows={answer.rows} title={event} />}</Loaded>
              </section>
              <section className="card" aria-labelledby="event-properties">
                <h2 id="event-properties">{w.events.properties}</h2>
                <Loaded of={sample}>
                  {() => (
                    <List
                      label={w.events.properties}
                      rows={properties}
                      keyOf={(one) => one.name}
                      columns={[
                        { head: w.events.property, cell: (one) => one.name },
                        { head: w.data.type, cell: (one) => <code>{one.type}</code> },
                        { head: w.events.filled, number: true, cell: (one) => ratio(one.filled) },
                        { head: w.events.example, cell: (one) => one.examples.length > 0 && <span className="quiet">{one.examples.map((text) => text.slice(0, 60)).join(" · ")}</span> },
                      ]}
                    />
                  )}
                </Loaded>
              </section>
            </div>
          )
        }
      </Loaded>
    </main>
  );
}
