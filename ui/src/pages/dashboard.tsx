/** A dashboard: tiles that load by themselves, filters in the address, and how it is changed. */

import { useQueryClient } from "@tanstack/react-query";
import { type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Saved, type Sharing, update, useDocument, useDocuments } from "../lib/documents";
import { setSearch, usePlace } from "../lib/router";
import { usePerson } from "../lib/session";
import { Badge, Button, Choice, Dialog, Empty, Field, Loaded, Menu, Text, Trouble, useAct, useTitle } from "../parts/basics";
import { words as w } from "../words";
import { added, COLUMNS, type DashboardBody, type Filter, moved, type Tile } from "./board";
import { SHARINGS } from "./save";
import { TileView } from "./tile";
import { Yaml } from "./yaml";

/** Of a row of the board, with the gap below it. */
const ROW = 72;

export function Dashboard({ id }: { id: string }) {
  const dashboard = useDocument<DashboardBody>("dashboards", id);
  return <Loaded of={dashboard}>{(saved) => <Shown key={saved.version} saved={saved} />}</Loaded>;
}

function Shown({ saved }: { saved: Saved<DashboardBody> }) {
  useTitle(saved.name);
  const person = usePerson();
  const queries = useQueryClient();
  const { search } = usePlace();
  const editing = search.has("edit");
  const [body, setBody] = useState(saved.body);
  const [name, setName] = useState(saved.name);
  const [sharing, setSharing] = useState<Sharing>(saved.sharing);
  const [dialog, setDialog] = useState<"question" | "filter" | "yaml" | null>(null);
  const [fresh, setFresh] = useState(0);
  const [busy, act, error] = useAct();
  const box = useRef<HTMLElement>(null);
  const owns = saved.owner === person.name || person.may.admin;
  const why = person.may.create && (owns || saved.sharing === "edit") ? null : w.noAccess(`“${saved.name}”`);
  const filters = body.filters ?? [];
  const changed = JSON.stringify(body) !== JSON.stringify(saved.body) || name !== saved.name || sharing !== saved.sharing;
  const valueOf = useCallback((filter: Filter) => search.get(`f.${filter.name}`) ?? filter.default ?? "", [search]);
  const params = useMemo(() => Object.fromEntries(filters.map((filter) => [filter.name, valueOf(filter)])), [filters, valueOf]);

  useEffect(() => {
    if (!body.refresh || editing) return;
    const timer = setInterval(() => setFresh((n) => n + 1), body.refresh * 60_000);
    return () => clearInterval(timer);
  }, [body.refresh, editing]);
  useEffect(() => {
    if (!changed) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [changed]);

  const save = () =>
    act(async () => {
      if (changed) {
        const next = await update("dashboards", saved.id, saved.version, { name, description: saved.description, sharing, body });
        queries.setQueryData(["dashboards", saved.id, "newest"], next);
        await queries.invalidateQueries({ queryKey: ["dashboards"], exact: true });
      }
      setSearch({ edit: null });
    });
  const discard = () => {
    setBody(saved.body);
    setName(saved.name);
    setSharing(saved.sharing);
    setSearch({ edit: null });
  };
  const change = (tiles: Tile[]) => setBody({ ...body, tiles });
  const newId = () => Math.random().toString(36).slice(2, 8);
  return (
    <main className="page" id="page" ref={box}>
      <div className="head">
        {editing ? <Text aria-label={w.common.name} value={name} maxLength={200} style={{ width: 320 }} onChange={(event) => setName(event.target.value)} /> : <h1>{saved.name}</h1>}
        {saved.certified && <Badge look="good">{w.questions.certified}</Badge>}
        {changed && <Badge look="warn">{w.dashboards.changed}</Badge>}
        <div className="actions">
          {editing ? (
            <>
              <Choice<Sharing> label={w.questions.sharing} value={sharing} options={SHARINGS} onChange={setSharing} disabled={!owns} />
              <Choice
                label={w.dashboards.autoRefresh}
                value={String(body.refresh ?? 0)}
                options={[["0", `${w.dashboards.autoRefresh}: ${w.dashboards.never}`], ...["1", "5", "15", "60"].map((n) => [n, `${w.dashboards.autoRefresh} ${w.dashboards.minutes(Number(n))}`] as const)]}
                onChange={(n) => setBody({ ...body, refresh: Number(n) || undefined })}
              />
              <Menu
                label={w.dashboards.addTile}
                items={[
                  { text: w.dashboards.addQuestion, act: () => setDialog("question") },
                  { text: w.dashboards.addText, act: () => change(added(body.tiles, { id: newId(), text: "", w: 4, h: 3 })) },
                  { text: w.dashboards.addFilter, act: () => setDialog("filter") },
                ]}
              />
              <Button onClick={() => setDialog("yaml")}>{w.dashboards.yaml}</Button>
              <Button onClick={discard}>{w.dashboards.discard}</Button>
              <Button look="main" disabled={busy || name.trim() === ""} onClick={() => void save()}>
                {w.dashboards.done}
              </Button>
            </>
          ) : (
            <>
              <Button onClick={() => setFresh(fresh + 1)}>{w.dashboards.refresh}</Button>
              <Button onClick={() => void box.current?.requestFullscreen()}>{w.dashboards.fullScreen}</Button>
              <Button onClick={() => setDialog("yaml")}>{w.dashboards.yaml}</Button>
              <Button why={why} onClick={() => setSearch({ edit: "1" })}>
                {w.dashboards.edit}
              </Button>
            </>
          )}
        </div>
      </div>
      {error !== null && <Trouble error={error} />}
      {saved.description && <p className="quiet">{saved.description}</p>}
      {filters.length > 0 && (
        <div className="filters" role="group" aria-label={w.dashboards.filter}>
          {filters.map((filter) => (
            <FilterField key={filter.name} filter={filter} value={valueOf(filter)} onRemove={editing ? () => setBody({ ...body, filters: filters.filter((other) => other !== filter) }) : undefined} />
          ))}
        </div>
      )}
      {editing && <p className="quiet small">{w.dashboards.moveHint}</p>}
      {body.tiles.length === 0 ? (
        <Empty title={w.dashboards.noTiles}>{w.dashboards.noTilesHint}</Empty>
      ) : (
        <Board tiles={body.tiles} editing={editing} params={params} fresh={fresh} onChange={change} />
      )}
      {dialog === "question" && (
        <PickQuestion
          onPick={(question, title) => {
            change(added(body.tiles, { id: newId(), question, title, w: 6, h: 5 }));
            setDialog(null);
          }}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === "filter" && (
        <NewFilter
          onMake={(filter) => {
            setBody({ ...body, filters: [...filters.filter((other) => other.name !== filter.name), filter] });
            setDialog(null);
          }}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === "yaml" && (
        <Yaml
          id={saved.id}
          editable={editing}
          onRead={(read) => {
            setBody(read.body);
            setName(read.name);
            setDialog(null);
          }}
          onClose={() => setDialog(null)}
        />
      )}
    </main>
  );
}

/** A filter waits until typing rests before tiles are asked again. */
function FilterField({ filter, value, onRemove }: { filter: Filter; value: string; onRemove?: () => void }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const type = { text: "text", number: "number", date: "date", timestamp: "datetime-local", boolean: "text" }[filter.type];
  const use = () => typed !== value && setSearch({ [`f.${filter.name}`]: typed === (filter.default ?? "") ? null : typed });
  return (
    <div className="row">
      <Field label={filter.label || filter.name}>
        <Text
          type={type}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={use}
          onKeyDown={(event) => {
            if (event.key === "Enter") use();
          }}
        />
      </Field>
      {onRemove && (
        <Button look="plain" aria-label={w.dashboards.removeTile(filter.name)} onClick={onRemove}>
          ×
        </Button>
      )}
    </div>
  );
}

interface BoardProps {
  tiles: Tile[];
  editing: boolean;
  params: Record<string, string>;
  fresh: number;
  onChange(tiles: Tile[]): void;
}

function Board({ tiles, editing, params, fresh, onChange }: BoardProps) {
  const box = useRef<HTMLDivElement>(null);
  const [moving, setMoving] = useState<string | null>(null);
  const drag = (tile: Tile, sizes: boolean) => (event: PointerEvent<HTMLElement>) => {
    const width = (box.current?.clientWidth ?? 1200) / COLUMNS;
    const target = event.currentTarget;
    const [startX, startY] = [event.clientX, event.clientY];
    target.setPointerCapture(event.pointerId);
    setMoving(tile.id);
    const go = (now: globalThis.PointerEvent) => {
      const dx = Math.round((now.clientX - startX) / width);
      const dy = Math.round((now.clientY - startY) / ROW);
      onChange(moved(tiles, tile.id, sizes ? { w: tile.w + dx, h: tile.h + dy } : { x: tile.x + dx, y: tile.y + dy }));
    };
    const end = () => {
      target.removeEventListener("pointermove", go);
      setMoving(null);
    };
    target.addEventListener("pointermove", go);
    target.addEventListener("pointerup", end, { once: true });
    target.addEventListener("pointercancel", end, { once: true });
  };
  const keys = (tile: Tile) => (event: React.KeyboardEvent) => {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const part = event.shiftKey ? { w: tile.w + step[0], h: tile.h + step[1] } : { x: tile.x + step[0], y: tile.y + (step[1] > 0 ? tile.h : step[1]) };
    onChange(moved(tiles, tile.id, part));
  };
  const part = (id: string, change: Partial<Tile>) => onChange(tiles.map((tile) => (tile.id === id ? { ...tile, ...change } : tile)));
  return (
    <div className="board" ref={box}>
      {tiles.map((tile) => (
        <TileView
          key={tile.id}
          tile={tile}
          params={params}
          fresh={fresh}
          moving={moving === tile.id}
          editing={
            editing
              ? {
                  onDrag: drag(tile, false),
                  onResize: drag(tile, true),
                  onKeys: keys(tile),
                  onRemove: () => onChange(tiles.filter((other) => other.id !== tile.id)),
                  onChange: (change) => part(tile.id, change),
                }
              : undefined
          }
        />
      ))}
    </div>
  );
}

function PickQuestion({ onPick, onClose }: { onPick(id: string, title: string): void; onClose(): void }) {
  const questions = useDocuments("questions");
  const [filter, setFilter] = useState("");
  return (
    <Dialog title={w.dashboards.addQuestion} onClose={onClose}>
      <div className="stack">
        <Text type="search" aria-label={w.common.filter} placeholder={w.common.filter} autoFocus value={filter} onChange={(event) => setFilter(event.target.value)} />
        <Loaded of={questions}>
          {(all) =>
            all.length === 0 ? (
              <Empty title={w.questions.empty}>{w.questions.emptyText}</Empty>
            ) : (
              <ul>
                {all
                  .filter((one) => one.name.toLowerCase().includes(filter.toLowerCase()))
                  .map((one) => (
                    <li key={one.id}>
                      <Button look="plain" onClick={() => onPick(one.id, one.name)}>
                        {one.name}
                      </Button>
                    </li>
                  ))}
              </ul>
            )
          }
        </Loaded>
        <div>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </div>
    </Dialog>
  );
}

const FILTER_TYPES = (["text", "number", "date", "timestamp", "boolean"] as const).map((type) => [type, type] as const);

function NewFilter({ onMake, onClose }: { onMake(filter: Filter): void; onClose(): void }) {
  const [filter, setFilter] = useState<Filter>({ name: "", type: "text" });
  return (
    <Dialog title={w.dashboards.addFilter} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onMake(filter);
        }}
      >
        <Field label={w.dashboards.filterName}>
          <Text required autoFocus pattern="[A-Za-z_][A-Za-z0-9_]*" value={filter.name} onChange={(event) => setFilter({ ...filter, name: event.target.value })} />
        </Field>
        <Field label={w.common.name}>
          <Text value={filter.label ?? ""} onChange={(event) => setFilter({ ...filter, label: event.target.value })} />
        </Field>
        <Field label={w.data.type}>
          <Choice value={filter.type} options={FILTER_TYPES} onChange={(type) => setFilter({ ...filter, type })} />
        </Field>
        <div className="row">
          <Button look="main" type="submit">
            {w.dashboards.addFilter}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}
