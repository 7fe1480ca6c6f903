/** What arrives: each event by name, the live stream, and what was refused. */

import { useQuery } from "@tanstack/react-query";
import { path } from "../lib/api";
import { ago, count, moment, ratio } from "../lib/format";
import { Link, setSearch, usePlace } from "../lib/router";
import { query } from "../lib/rows";
import { usePerson } from "../lib/session";
import { useEventSources } from "../lib/sources";
import { quoted } from "../lib/sqltext";
import { Empty, Loaded, Tabs, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";
import { Live } from "./live";
import { Quarantine } from "./quarantine";
import { SendSnippet } from "./send";

const TABS = [
  ["names", w.events.names],
  ["live", w.events.live],
  ["quarantine", w.events.quarantine],
] as const;

type Tab = (typeof TABS)[number][0];

export function Events() {
  const { search } = usePlace();
  const tab = TABS.find(([name]) => name === search.get("tab"))?.[0] ?? "names";
  useTitle(w.events.title);
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.events.title}</h1>
      </div>
      <Tabs<Tab> label={w.events.title} value={tab} tabs={TABS} onChange={(next) => setSearch({ tab: next === "names" ? null : next }, { push: true })} />
      {tab === "names" && <Names />}
      {tab === "live" && <Live />}
      {tab === "quarantine" && <Quarantine />}
    </main>
  );
}

/** Sources that have a table of tracked events this person may read. */
export const useSources = () =>
  useQuery({
    queryKey: ["event sources"],
    queryFn: async ({ signal }) => {
      const found = await query<{ schema_name: string }>(
        `select t.schema_name from weir.tables t join weir.sources s on s.name = t.schema_name
         where t.table_name = 'tracks' order by 1`,
        [],
        signal,
      );
      return found.map((one) => one.schema_name);
    },
    // Whoever sends the first event looks here for it.
    refetchInterval: ({ state }) => (state.data?.length === 0 ? 2_000 : false),
  });

interface Named {
  source: string;
  event: string;
  n: number;
  first_at: string;
  last_at: string;
  days: (number | null)[] | null;
}

const DAYS = 14;

/** Counts each event, and its last days, over all sources. */
function namesSql(sources: string[]): string {
  const one = (source: string) => {
    const day = (i: number) => `count(*) filter (where received_at >= now() - interval '${i + 1} days' and received_at < now() - interval '${i} days')`;
    const days = Array.from({ length: DAYS }, (_, i) => day(DAYS - 1 - i)).join(", ");
    return `select '${source.replaceAll("'", "''")}' as source, event_text as event, count(*) as n, min(received_at) as first_at, max(received_at) as last_at,
      array[${days}] as days from ${quoted(source)}.tracks group by event_text`;
  };
  return `select * from (${sources.map(one).join(" union all ")}) every_event order by n desc limit 500`;
}

function Spark({ days }: { days: (number | null)[] }) {
  const most = Math.max(1, ...days.map((n) => n ?? 0));
  return (
    <span className="spark" role="img" aria-label={`${w.events.trend}: ${days.join(", ")}`}>
      {days.map((n, i) => (
        // biome-ignore lint: days have no other name
        <i key={i} style={{ height: `${((n ?? 0) / most) * 100}%` }} />
      ))}
    </span>
  );
}

/** The last seven days against the seven before. */
function Change({ days }: { days: (number | null)[] }) {
  const sum = (part: (number | null)[]) => part.reduce<number>((all, n) => all + (n ?? 0), 0);
  const [before, now] = [sum(days.slice(0, 7)), sum(days.slice(7))];
  if (before === 0) return <span className="quiet small">{now > 0 ? w.events.isNew : ""}</span>;
  const change = (now - before) / before;
  // Events that stop coming are what somebody must know.
  return <span className={now === 0 ? "bad-text small" : "quiet small"}>{now === 0 ? w.events.stopped : `${change > 0 ? "+" : ""}${ratio(change)}`}</span>;
}

function Names() {
  const person = usePerson();
  const sources = useSources();
  const names = useQuery({
    queryKey: ["event names", sources.data],
    enabled: (sources.data?.length ?? 0) > 0,
    queryFn: ({ signal }) => query<Named>(namesSql(sources.data ?? []), [], signal),
    refetchInterval: 30_000,
  });
  return (
    <Loaded of={sources}>
      {(known) =>
        known.length === 0 ? (
          // Whoever may not read them cannot know that there are none.
          person.may.manage_sources ? <First /> : <Empty title={w.events.noneForYou}>{w.events.noneForYouText}</Empty>
        ) : (
          <Loaded of={names}>
            {(all) => (
              <List
                card
                label={w.events.names}
                rows={all}
                keyOf={(one) => `${one.source}/${one.event}`}
                columns={[
                  { head: w.events.name, cell: (one) => <Link href={path`/events/${one.source}/${one.event ?? ""}`}>{one.event ?? "∅"}</Link> },
                  { head: w.events.source, cell: (one) => one.source },
                  { head: w.events.trend, cell: (one) => one.days && <Spark days={one.days} /> },
                  { head: w.events.change, cell: (one) => one.days && <Change days={one.days} /> },
                  { head: w.events.count, number: true, cell: (one) => count(one.n) },
                  { head: w.events.first, cell: (one) => <span title={one.first_at}>{moment(one.first_at)}</span> },
                  { head: w.events.last, cell: (one) => <span title={one.last_at}>{ago(one.last_at)}</span> },
                ]}
              />
            )}
          </Loaded>
        )
      }
    </Loaded>
  );
}

/** The first thing to do on an empty Weir, ready to be copied. */
function First() {
  const known = useEventSources(true);
  return (
    <Empty title={w.events.empty}>
      <p>{w.events.emptyText}</p>
      {known.isFetched && <SendSnippet source={known.data?.[0]?.name ?? "app"} />}
    </Empty>
  );
}
