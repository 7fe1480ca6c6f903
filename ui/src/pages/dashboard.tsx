/** A dashboard: tiles that load by themselves, filters in the address, and how it is changed. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { expectCharts } from "../charts/chart";
import type { Picks } from "../charts/pick";
import { api, get, path } from "../lib/api";
import { certify, type QuestionBody, type Saved, type Sharing, useDocument, useKnown } from "../lib/documents";
import { ago } from "../lib/format";
import { navigate, setSearch, usePlace } from "../lib/router";
import { usePerson } from "../lib/session";
import { Badge, Button, Choice, copy, Empty, Loaded, Menu, Said as Sentence, Text, Trouble, useAct, useTitle } from "../parts/basics";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { added, type DashboardBody, type Filter, fitting, onTab, ownDefault, ownDefaults, type Picked, paramsOf, type Said, saidIn, setBy, type Tile } from "./board";
import { today } from "./board-range";
import { NewFilter, PickQuestion } from "./dashboard-dialogs";
import { FilterInput } from "./dashboard-filter";
import { History, OldVersion, RemoveDialog } from "./dashboard-history";
import { Deliveries } from "./deliveries";
import { Embeds } from "./embeds";
import { FileConflict } from "./files";
import { useKeeping } from "./keeping";
import { GiveDialog } from "./owner";
import { SHARINGS } from "./save";
import { Tiles } from "./tiles";
import { Yaml } from "./yaml";

interface Draft {
  based_on: number;
  name: string;
  description: string;
  sharing: Sharing;
  body: DashboardBody;
  made_by: string;
  made_at: string;
}

export function Dashboard({ id }: { id: string }) {
  const queries = useQueryClient();
  useEffect(expectCharts, []);
  // All questions of the dashboard in one answer, in the place where tiles look for theirs.
  const questions = useQuery({
    queryKey: ["questions", "of dashboard", id],
    queryFn: async ({ signal }) => {
      const { questions } = await get<{ questions: Saved<QuestionBody>[] }>(path`/api/v1/dashboards/${id}/questions`, signal);
      for (const one of questions) queries.setQueryData(["questions", one.id, "newest"], one);
      return questions.length;
    },
    retry: false,
  });
  const { search } = usePlace();
  const version = Number(search.get("version"));
  const dashboard = useDocument<DashboardBody>("dashboards", id, Number.isInteger(version) && version > 0 ? version : undefined);
  const draft = useQuery({
    queryKey: ["dashboards", id, "draft"],
    queryFn: async ({ signal }) => (await get<{ draft: Draft | null }>(path`/api/v1/dashboards/${id}/draft`, signal)).draft,
  });
  return (
    <Loaded of={dashboard} page>
      {/* Without them tiles ask one by one, and say what is wrong with each. */}
      {(saved) => (
        <Loaded of={questions.isPending ? { ...draft, data: undefined, error: null } : draft} page>
          {(kept) => <Shown key={`${saved.version}/${saved.shown_version}/${kept?.made_at}`} saved={saved} draft={kept} />}
        </Loaded>
      )}
    </Loaded>
  );
}

/** Keeps what a filter says in the address: its default is left out, and nothing behind `=` is any. */
function say(filter: Filter, value: Said, options: { push?: boolean } = {}): void {
  const search = new URLSearchParams(location.search);
  if (value === "" || value === ownDefault(filter)) search.delete(`f.${filter.name}`);
  else search.set(`f.${filter.name}`, value ?? "");
  const text = search.toString();
  navigate(location.pathname + (text ? `?${text}` : "") + location.hash, { replace: !options.push });
}

/** A dashboard with one more question, on its first tab. */
function withQuestion(body: DashboardBody, question: string): DashboardBody {
  const tabs = body.tabs ?? [];
  const tab = tabs[0]?.id;
  const there = (tile: Tile) => onTab(tile, tabs, tab);
  return { ...body, tiles: [...body.tiles.filter((tile) => !there(tile)), ...added(body.tiles.filter(there), { id: newId(), question, w: 6, h: 5, tab })] };
}

const newId = () => Math.random().toString(36).slice(2, 8);

function Shown({ saved, draft }: { saved: Saved<DashboardBody>; draft: Draft | null }) {
  useTitle(saved.name);
  const person = usePerson();
  const queries = useQueryClient();
  const { search } = usePlace();
  const old = saved.shown_version !== saved.version;
  const owns = saved.owner === person.name || person.may.admin;
  const why = person.may.create && (owns || saved.sharing === "edit") ? null : w.noAccess(`“${saved.name}”`);
  // An address that somebody else sent edits nothing: whoever may not change it sees it as it is.
  const editing = search.has("edit") && !old && why === null;
  // Whoever edits goes on where the draft is; everybody else sees what is published.
  const from = editing && draft ? draft : saved;
  const [body, setBody] = useState(from.body);
  const [name, setName] = useState(from.name);
  const [sharing, setSharing] = useState<Sharing>(from.sharing);
  const [dialog, setDialog] = useState<"question" | "filter" | "yaml" | "embed" | "send" | "give" | "history" | "remove" | null>(search.get("open") === "send" ? "send" : null);
  // A link may open it; once it is closed it stays so.
  const close = () => {
    setDialog(null);
    if (search.has("open")) setSearch({ open: null });
  };
  const [fresh, setFresh] = useState(0);
  const [busy, act, error] = useAct();
  const box = useRef<HTMLElement>(null);
  // Another version, or another draft, is another of these: only editing begins and ends here. While it is
  // drawn, not after: an effect that comes late would take away what was typed before it.
  const [wasEditing, setWasEditing] = useState(editing);
  if (wasEditing !== editing) {
    setWasEditing(editing);
    setBody(from.body);
    setName(from.name);
    setSharing(from.sharing);
  }
  // Put here from its own page: it is told, and put once only.
  const put = editing && search.has("put");
  useEffect(() => {
    const question = search.get("put");
    if (put && question) setBody(withQuestion(from.body, question));
  }, [put]);
  const filters = body.filters ?? [];
  const tabs = body.tabs ?? [];
  const tab = tabs.find((one) => one.id === search.get("tab"))?.id ?? tabs[0]?.id;
  const shown = body.tiles.filter((tile) => onTab(tile, tabs, tab));
  const changed = editing && (JSON.stringify(body) !== JSON.stringify(from.body) || name !== from.name || sharing !== from.sharing);
  const saidOf = useCallback((filter: Filter) => saidIn(search, filter), [search]);
  // What is relative is of this day, also where a page stays open over midnight.
  const day = today();
  const params = useMemo(() => paramsOf(filters, saidOf, day), [filters, saidOf, day]);

  const questions = useKnown<QuestionBody>("questions", [...new Set(body.tiles.flatMap((tile) => tile.question ?? []))]);
  const defaultsOf = (filter: Filter) => {
    const { one, from, to } = setBy(filter);
    const own = ownDefault(filter);
    const bodies = questions.map((question) => question?.body);
    return own !== "" ? [own] : [one, from, to].flatMap((name) => (name === undefined ? [] : ownDefaults(name, bodies)));
  };

  useEffect(() => {
    if (!body.refresh || editing) return;
    const timer = setInterval(() => setFresh((n) => n + 1), body.refresh * 60_000);
    return () => clearInterval(timer);
  }, [body.refresh, editing]);
  const keeping = useKeeping({
    now: { name, sharing, body },
    from: { name: from.name, sharing: from.sharing, body: from.body },
    wanted: editing,
    whole: name.trim() !== "",
    keep: (it) => api("PUT", path`/api/v1/dashboards/${saved.id}/draft`, { ...it, description: saved.description, version: draft?.based_on ?? saved.version }),
    onLeft: () => void queries.invalidateQueries({ queryKey: ["dashboards", saved.id, "draft"], refetchType: "all" }),
  });
  useEffect(() => {
    if (!keeping.open) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [keeping.open]);

  const again = async () => {
    await queries.invalidateQueries({ queryKey: ["dashboards"] });
  };
  const certifying = () =>
    act(async () => {
      await certify("dashboards", saved.id, !saved.certified);
      await again();
    });
  const publish = () =>
    act(async () => {
      await keeping.flush();
      if (changed || draft || keeping.kept) {
        await keeping.end(() => api("POST", path`/api/v1/dashboards/${saved.id}/publish`));
        await again();
      }
      setSearch({ edit: null });
    });
  const keepDraft = () =>
    act(async () => {
      await keeping.flush();
      await again();
      toast(w.dashboards.draftKept);
    });
  const discard = () =>
    act(async () => {
      await keeping.end(async () => {
        if (changed || draft || keeping.kept) await api("DELETE", path`/api/v1/dashboards/${saved.id}/draft`);
      });
      await again();
      setSearch({ edit: null });
    });
  // Only tiles of this tab are moved; the others stay where they are.
  const change = (tiles: Tile[]) => setBody({ ...body, tiles: [...body.tiles.filter((tile) => !onTab(tile, tabs, tab)), ...tiles] });
  const add = (tile: Omit<Tile, "x" | "y">) => change(added(shown, { ...tile, tab }));
  useEffect(() => {
    if (!put) return;
    const timer = setTimeout(() => {
      setSearch({ put: null });
      box.current?.querySelector(".tile:last-child")?.scrollIntoView({ block: "nearest" });
      toast(w.dashboards.putThere);
    }, 100);
    return () => clearTimeout(timer);
  }, [put]);
  const pick = (name: string, clicked: Picked | null): ReturnType<Picks> => {
    const filter = filters.find((one) => one.name === name);
    if (!filter) return "nothing";
    const now = saidOf(filter);
    const value = clicked === null ? "" : fitting(filter.type, clicked);
    if (clicked === null && now === ownDefault(filter)) return "nothing";
    const same = now === value;
    // A click that filters is taken back as it came: by going back.
    say(filter, same ? "" : value, { push: true });
    return clicked === null || same ? "cleared" : "set";
  };
  return (
    <main className="page" id="page" ref={box}>
      <div className="head">
        {editing ? <Text aria-label={w.common.name} value={name} maxLength={200} style={{ width: 320 }} onChange={(event) => setName(event.target.value)} /> : <h1>{saved.name}</h1>}
        {saved.certified && <Badge look="good">{w.questions.certified}</Badge>}
        {!editing && <span className="quiet small">{w.owners.owned(saved.owner)}</span>}
        {editing && draft && <Badge look="warn">{w.dashboards.draftBy(draft.made_by, ago(draft.made_at))}</Badge>}
        {keeping.open ? <Badge look="warn">{w.dashboards.changed}</Badge> : changed && <span className="quiet small">{w.dashboards.keptByItself}</span>}
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
                  { text: w.dashboards.addText, act: () => add({ id: newId(), text: "", w: 4, h: 3 }) },
                  { text: w.dashboards.addFilter, act: () => setDialog("filter") },
                  {
                    text: w.dashboards.addTab,
                    act: () => {
                      const made = { id: newId(), name: w.dashboards.tabName(tabs.length + 1) };
                      // The first tab takes in what is there.
                      const all = tabs.length === 0 ? [{ id: newId(), name: w.dashboards.tabName(1) }, { ...made, name: w.dashboards.tabName(2) }] : [...tabs, made];
                      setBody({ ...body, tabs: all });
                      setSearch({ tab: all.at(-1)?.id ?? null });
                    },
                  },
                ]}
              />
              <Button onClick={() => setDialog("yaml")}>{w.dashboards.yaml}</Button>
              <Button disabled={busy} onClick={() => void discard()}>
                {w.dashboards.discard}
              </Button>
              <Button disabled={busy || !changed || name.trim() === ""} onClick={() => void keepDraft()}>
                {w.dashboards.keepDraft}
              </Button>
              <Button look="main" disabled={busy || name.trim() === ""} onClick={() => void publish()}>
                {w.dashboards.publish}
              </Button>
            </>
          ) : (
            <>
              <Button onClick={() => setFresh(fresh + 1)}>{w.dashboards.refresh}</Button>
              <Button onClick={() => void box.current?.requestFullscreen()}>{w.dashboards.fullScreen}</Button>
              <Menu
                label={w.ask.share}
                items={[
                  {
                    text: w.dashboards.share,
                    hint: `${w.dashboards.shareHints[saved.sharing]}${filters.length > 0 ? ` ${w.dashboards.shareFilters}` : ""}`,
                    act: () => void copy(location.href),
                  },
                  { text: w.deliveries.title, hint: w.deliveries.by, act: () => setDialog("send") },
                  { text: w.dashboards.embed, hint: w.embeds.by, why: owns ? null : w.noAccess(`“${saved.name}”`), act: () => setDialog("embed") },
                ]}
              />
              <Menu
                label={w.common.more}
                items={[
                  { text: w.ask.versions, act: () => setDialog("history") },
                  { text: w.dashboards.yaml, act: () => setDialog("yaml") },
                  { text: w.owners.title, why: owns ? null : w.noAccess(`“${saved.name}”`), act: () => setDialog("give") },
                  { text: saved.certified ? w.questions.decertify : w.questions.certify, why: person.may.manage_sources || person.may.admin ? null : w.noAccess(w.questions.certified), act: () => void certifying() },
                  { text: w.dashboards.remove, why, act: () => setDialog("remove") },
                ]}
              />
              <Button why={old ? w.dashboards.openNewest : why} onClick={() => setSearch({ edit: "1" })}>
                {draft ? w.dashboards.editDraft : w.dashboards.edit}
              </Button>
            </>
          )}
        </div>
      </div>
      {(error ?? keeping.error) !== null && <Trouble error={error ?? keeping.error} />}
      {old && <OldVersion saved={saved} why={draft ? w.dashboards.draftFirst : why} />}
      <FileConflict id={saved.id} why={why} />
      {saved.description && <p className="quiet"><Sentence text={saved.description} /></p>}
      {tabs.length > 0 && <TabBar tabs={tabs} on={tab} editing={editing} onChange={(next) => setBody({ ...body, ...next })} tiles={body.tiles} />}
      {filters.length > 0 && (
        <div className="filters" role="group" aria-label={w.dashboards.filter}>
          {filters.map((filter) => (
            <div key={filter.name} className="row">
              <FilterInput filter={filter} value={saidOf(filter)} defaults={defaultsOf(filter)} onChange={(value) => say(filter, value)} />
              {editing && (
                <Button look="plain" aria-label={w.dashboards.removeTile(filter.name)} onClick={() => setBody({ ...body, filters: filters.filter((other) => other !== filter) })}>
                  ×
                </Button>
              )}
            </div>
          ))}
        </div>
      )}
      {editing && <p className="quiet small">{w.dashboards.moveHint}</p>}
      {shown.length === 0 ? (
        <Empty title={w.dashboards.noTiles}>{w.dashboards.noTilesHint}</Empty>
      ) : (
        <Tiles tiles={shown} editing={editing} params={params} fresh={fresh} filters={filters} owner={saved.owner} onChange={change} onPick={pick} />
      )}
      {dialog === "question" && (
        <PickQuestion
          onPick={(question, title) => {
            add({ id: newId(), question, title, w: 6, h: 5 });
            setDialog(null);
          }}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === "filter" && (
        <NewFilter
          parameters={questions.flatMap((question) => question?.body.parameters ?? [])}
          there={filters}
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
      {dialog === "send" && <Deliveries id={saved.id} filters={filters} why={owns ? null : w.noAccess(`“${saved.name}”`)} onClose={close} />}
      {dialog === "give" && <GiveDialog address={path`/api/v1/dashboards/${saved.id}/owner`} name={saved.name} owner={saved.owner} onClose={() => setDialog(null)} />}
      {dialog === "history" && <History saved={saved} onClose={() => setDialog(null)} />}
      {dialog === "remove" && <RemoveDialog saved={saved} onClose={() => setDialog(null)} />}
      {dialog === "embed" && <Embeds id={saved.id} filters={filters} onClose={() => setDialog(null)} />}
    </main>
  );
}

interface TabBarProps {
  tabs: NonNullable<DashboardBody["tabs"]>;
  on: string | undefined;
  editing: boolean;
  tiles: Tile[];
  onChange(part: Partial<DashboardBody>): void;
}

function TabBar({ tabs, on, editing, tiles, onChange }: TabBarProps) {
  const now = tabs.find((tab) => tab.id === on);
  return (
    <div className="row wrap tabbar">
      <div className="tabs grow" role="group" aria-label={w.dashboards.tabs}>
        {tabs.map((tab) => (
          <button type="button" key={tab.id} className="tab" aria-pressed={tab.id === on} onClick={() => setSearch({ tab: tab.id === tabs[0]?.id ? null : tab.id }, { push: true })}>
            {tab.name}
          </button>
        ))}
      </div>
      {editing && now && (
        <>
          <Text aria-label={w.dashboards.tabTitle} style={{ width: 180 }} value={now.name} maxLength={80} onChange={(event) => onChange({ tabs: tabs.map((tab) => (tab.id === now.id ? { ...tab, name: event.target.value } : tab)) })} />
          <Button
            onClick={() => {
              const left = tabs.filter((tab) => tab.id !== now.id);
              onChange({ tabs: left.length > 1 ? left : undefined, tiles: tiles.filter((tile) => !onTab(tile, tabs, now.id)).map((tile) => (left.length > 1 ? tile : { ...tile, tab: undefined })) });
              setSearch({ tab: null });
            }}
          >
            {w.dashboards.removeTab}
          </Button>
        </>
      )}
    </div>
  );
}
