/** One tile: it asks for itself, fails for itself, and says how fresh it is. */

import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Chart, ChartChoice } from "../charts/chart";
import { timeFacts } from "../charts/options";
import type { Picks } from "../charts/pick";
import { fitted, suggest } from "../charts/spec";
import { ApiError } from "../lib/api";
import { type QuestionBody, useDocument } from "../lib/documents";
import { moment } from "../lib/format";
import { Link } from "../lib/router";
import { askKept } from "../lib/run";
import { type Person, usePerson } from "../lib/session";
import { AsOf } from "../parts/asof";
import { Badge, Button, Choice, Field, Text, Trouble, Waiting } from "../parts/basics";
import { Icon } from "../parts/icons";
import { words as w } from "../words";
import type { Filter, Picked, Said, Tile } from "./board";
import { Origin } from "./origin";
import { TileText } from "./tile-text";

/** Rows a tile asks for: more than a screen has places. */
const ROWS = 2_000;

export interface TileEditing {
  onDrag(event: PointerEvent<HTMLElement>): void;
  onResize(event: PointerEvent<HTMLElement>): void;
  onKeys(event: KeyboardEvent): void;
  onRemove(): void;
  onChange(part: Partial<Tile>): void;
}

interface Props {
  tile: Tile;
  params: Record<string, Said>;
  fresh: number;
  moving: boolean;
  filters: Filter[];
  /** Whose dashboard it is on. */
  owner: string;
  /** Sets a filter to a value of the data; to none for null. */
  onPick(filter: string, value: Picked | null): ReturnType<Picks>;
  editing?: TileEditing;
}

/** Whether the tile was in view: what nobody scrolls to is not asked. */
function useSeen() {
  const box = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element || seen) return;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: "200px" });
    watch.observe(element);
    return () => watch.disconnect();
  }, [seen]);
  return [box, seen] as const;
}

export function TileView({ tile, params, fresh, moving, filters, owner, onPick, editing }: Props) {
  const [box, seen] = useSeen();
  const asked = useDocument<QuestionBody>("questions", tile.question ?? "", undefined, tile.question !== undefined && seen);
  const title = tile.title || (tile.text !== undefined ? w.dashboards.text : (asked.data?.name ?? w.questions.title));
  return (
    <section
      ref={box}
      className={`tile ${moving ? "moving" : ""} ${tile.h <= 3 ? "short" : ""}`}
      aria-label={title}
      style={{ gridColumn: `${tile.x + 1} / span ${tile.w}`, gridRow: `${tile.y + 1} / span ${tile.h}` }}
    >
      <header>
        {editing ? (
          <>
            <button type="button" className="button plain icon grip" aria-label={w.dashboards.move(title)} onPointerDown={editing.onDrag} onKeyDown={editing.onKeys}>
              <Icon name="grip" />
            </button>
            <Text aria-label={w.dashboards.tileTitle} placeholder={tile.question ? title : w.dashboards.tileTitle} value={tile.title ?? ""} onChange={(event) => editing.onChange({ title: event.target.value })} />
            <Button look="plain" aria-label={w.dashboards.removeTile(title)} onClick={editing.onRemove}>
              ×
            </Button>
          </>
        ) : (
          <h2 className="clip">{tile.question ? <Link href={`/q/${tile.question}`}>{title}</Link> : tile.title}</h2>
        )}
      </header>
      {tile.text !== undefined ? (
        <div className="inside">
          {editing ? <textarea className="input" aria-label={w.dashboards.text} value={tile.text} onChange={(event) => editing.onChange({ text: event.target.value })} /> : <TileText text={tile.text} />}
        </div>
      ) : tile.question && seen ? (
        <Asked tile={tile} question={tile.question} params={params} fresh={fresh} filters={filters} owner={owner} onPick={onPick} editing={editing} title={title} />
      ) : (
        <div className="inside" />
      )}
      {editing && (
        <button type="button" className="corner" aria-label={w.dashboards.resize(title)} onPointerDown={editing.onResize} onKeyDown={(event) => editing.onKeys({ ...event, shiftKey: true, key: event.key, preventDefault: () => event.preventDefault() } as KeyboardEvent)}>
          <Icon name="corner" size={14} />
        </button>
      )}
    </section>
  );
}

/** What comes of what one may not read: tables of others are not there at all. */
const UNREADABLE = ["undefined_table", "permission_denied"];

/** Says of a failure on somebody else's dashboard what one can do about it; who reads everything sees it as it is. */
function toldTo(person: Person, owner: string, error: Error): Error {
  if (!(error instanceof ApiError) || !UNREADABLE.includes(error.code) || owner === person.name || person.may.admin) return error;
  return new ApiError(error.status, error.code, w.dashboards.unreadable(owner), undefined, undefined, error.sqlstate);
}

type AskedProps = Omit<Props, "moving"> & { question: string; title: string };

function Asked({ tile, question, params, fresh, filters, owner, onPick, editing, title }: AskedProps) {
  const person = usePerson();
  const [asking, setAsking] = useState(false);
  const sets = filters.some((filter) => filter.name === tile.sets) ? tile.sets : undefined;
  // One for good: a chart that is told another is drawn anew.
  const told = useRef<Picks>(() => "nothing");
  const pick = useCallback<Picks>((value) => told.current(value), []);
  const saved = useDocument<QuestionBody>("questions", question);
  const names = saved.data?.body.parameters?.map((one) => one.name) ?? [];
  // Only what the question takes: a filter of others is no reason to ask again.
  const own = useMemo(() => Object.fromEntries(Object.entries(params).filter(([name]) => names.includes(name))), [params, names.join()]);
  const answer = useQuery({
    queryKey: ["tile", question, saved.data?.version, own, fresh],
    enabled: saved.data !== undefined,
    queryFn: ({ signal }) => askKept({ sql: "", question: { id: question }, params: own }, ROWS, signal),
    placeholderData: (before) => before,
    staleTime: 60_000,
  });
  // On a wall, numbers of a minute ago are better than none: where nobody answers, the last ones stay, and that is said.
  const key = JSON.stringify([question, saved.data?.version, own]);
  const last = useRef<{ key: string; data: NonNullable<typeof answer.data> } | null>(null);
  if (answer.data && !answer.isPlaceholderData) last.current = { key, data: answer.data };
  const away = answer.error instanceof ApiError && [0, 429, 503].includes(answer.error.status);
  const kept = away && last.current?.key === key ? last.current.data : undefined;
  const shown = answer.data ?? kept;
  const error = saved.error ?? (kept ? null : answer.error);
  if (error) {
    return (
      <div className="inside message">
        <Trouble error={toldTo(person, owner, error)} retry={() => void (saved.error ? saved.refetch() : answer.refetch())} />
      </div>
    );
  }
  if (!shown || !saved.data) {
    return (
      <div className="inside">
        <Waiting />
      </div>
    );
  }
  const { columns, rows, tail } = shown;
  const spec = tile.chart ?? (saved.data.body.view === "table" && !saved.data.body.chart ? { kind: "table" as const } : (saved.data.body.chart ?? suggest(columns, rows)));
  told.current = (value) => {
    if (!sets) return "nothing";
    if (value === null) return onPick(sets, null);
    const used = fitted(spec, columns, rows);
    const from = used.kind === "table" && columns.some((column) => column.name === sets) ? sets : used.x;
    const type = columns.find((column) => column.name === from)?.type ?? "text";
    return onPick(sets, { value, type, period: timeFacts(used, columns, rows, Date.parse(tail.result?.created_at ?? "")).period });
  };
  return (
    <>
      {editing && (
        // Folded, so that the tile is seen as it will be.
        <details className="settings">
          <summary>{filters.length > 0 ? w.dashboards.chartAndClicks : w.dashboards.chart}</summary>
          <ChartChoice spec={spec} columns={columns} rows={rows} onChange={(chart) => editing.onChange({ chart })} />
          {filters.length > 0 && (
            <div className="chartbar">
              <Field label={w.dashboards.sets}>
                <Choice value={sets ?? ""} options={[["", w.dashboards.setsNothing], ...filters.map((filter) => [filter.name, filter.label || filter.name] as const)]} onChange={(name) => editing.onChange({ sets: name || undefined })} />
              </Field>
            </div>
          )}
        </details>
      )}
      <div className="inside">
        <Chart spec={spec} columns={columns} rows={rows} all={tail.result?.rows} at={tail.result?.created_at} title={title} onPick={sets && !editing ? pick : undefined} pickColumn={sets} />
      </div>
      <footer>
        {tail.result && (
          <button type="button" className="asof clip" title={`${w.origin.title} ${moment(tail.result.created_at)}`} onClick={() => setAsking(true)}>
            <AsOf at={tail.result.created_at} />
            {tail.result.reads.length > 0 && ` · ${tail.result.reads.slice(0, 3).join(", ")}`}
          </button>
        )}
        {saved.data.certified && <Badge look="good">{w.questions.certified}</Badge>}
        {kept && <Badge look="warn" title={answer.error?.message}>{w.dashboards.notRefreshed}</Badge>}
      </footer>
      {asking && tail.result && <Origin result={tail.result} title={title} onClose={() => setAsking(false)} />}
    </>
  );
}
