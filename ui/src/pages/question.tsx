/** A saved question: its answer first, its SQL beside it, its versions and earlier answers at hand. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { ChartSpec } from "../charts/spec";
import type { EditorHandle } from "../editor/editor";
import { get, path } from "../lib/api";
import { toAddress } from "../lib/builder";
import { bySchema, FUNCTIONS, useColumns } from "../lib/catalogue";
import { certify, type Parameter, type QuestionBody, remove, restore, type Saved, type Sharing, update, useDocument, useVersions } from "../lib/documents";
import { ago, count, moment } from "../lib/format";
import { Link, navigate, setSearch, usePlace } from "../lib/router";
import type { ResultInfo } from "../lib/rows";
import { useRun } from "../lib/run";
import { usePerson } from "../lib/session";
import { parameterNames } from "../lib/sqltext";
import { tidy } from "../lib/tidy";
import { AnswerView, Clock, summary, type View, ViewChoice } from "../parts/answer";
import { Badge, Button, Choice, Dialog, Field, Loaded, Menu, Said, Text, Trouble, useAct, useTitle, Waiting } from "../parts/basics";
import { Icon } from "../parts/icons";
import { ParameterInput } from "../parts/parameter";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { Alerts } from "./alerts";
import { FileConflict } from "./files";
import { GiveDialog } from "./owner";
import { PutOnDashboard } from "./put";
import { RollupDialog, useRollup } from "./rollup";
import { SHARINGS } from "./save";
import { DownloadMenu, ShareMenu } from "./share";

const Editor = lazy(() => import("../editor/editor"));

export function Question({ id, version }: { id: string; version?: string }) {
  const wanted = version ? Number(version) : undefined;
  const question = useDocument<QuestionBody>("questions", id, wanted);
  return <Loaded of={question} page>{(saved) => <Shown key={`${saved.id}/${saved.shown_version}`} saved={saved} old={wanted !== undefined && wanted !== saved.version} />}</Loaded>;
}

const TYPES: readonly (readonly [Parameter["type"], string])[] = ["text", "number", "date", "timestamp", "boolean"].map((type) => [type as Parameter["type"], type] as const);

function Shown({ saved, old }: { saved: Saved<QuestionBody>; old: boolean }) {
  const person = usePerson();
  const queries = useQueryClient();
  const { search } = usePlace();
  const { run, start, cancel } = useRun();
  const [sql, setSql] = useState(saved.body.sql);
  const [chart, setChart] = useState<ChartSpec | undefined>(saved.body.chart);
  const [view, setView] = useState<View>(saved.body.view ?? "table");
  const [parameters, setParameters] = useState<Parameter[]>(saved.body.parameters ?? []);
  const [editing, setEditing] = useState(false);
  const [dialog, setDialog] = useState<"save" | "history" | "alerts" | "rollup" | "give" | "put" | null>(search.get("open") === "alerts" ? "alerts" : null);
  // A link may open it; once it is closed it stays so.
  const close = () => {
    setDialog(null);
    if (search.has("open")) setSearch({ open: null });
  };
  const kept = useRollup(saved.id).data?.rollup;
  const editor = useRef<EditorHandle>(null);
  const columns = useColumns();
  const catalogue = useMemo(() => bySchema(columns.data ?? []), [columns.data]);
  useTitle(saved.name);
  const changed = sql !== saved.body.sql;
  const names = useMemo(() => parameterNames(sql), [sql]);
  const known = names.map((name) => parameters.find((one) => one.name === name) ?? ({ name, type: "text" } as Parameter));
  const valueOf = useCallback((one: Parameter) => search.get(`p.${one.name}`) ?? one.default ?? "", [search]);
  const go = useCallback(
    async (fresh = false) => {
      editor.current?.clearMarks();
      const params = known.length > 0 ? Object.fromEntries(known.map((one) => [one.name, valueOf(one) || null])) : undefined;
      const question = changed ? undefined : { id: saved.id, version: old ? saved.shown_version : undefined };
      const done = await start({ sql, params, question, fresh });
      const place = done.error?.position;
      if (place && !done.cancelled) editor.current?.mark(0, place.line, place.column, done.error?.message ?? "");
    },
    [known, valueOf, changed, saved, old, start, sql],
  );
  // The answer is what a link is opened for.
  const began = useRef(false);
  useEffect(() => {
    if (began.current) return;
    began.current = true;
    void go();
  }, [go]);
  // A value that was chosen is asked for at once: beside it, the answer to another would lie.
  const values = JSON.stringify(known.map(valueOf));
  const told = useRef(values);
  useEffect(() => {
    if (told.current === values) return;
    told.current = values;
    if (!changed) void go();
  }, [values, changed, go]);
  // What is mounted again asks again: its first answer went with it.
  useEffect(
    () => () => {
      began.current = false;
    },
    [],
  );
  const owns = saved.owner === person.name || person.may.admin;
  const writes = person.may.create && (owns || saved.sharing === "edit");
  const whyNot = writes ? null : w.noAccess(`“${saved.name}”`);
  const keep = (one: Parameter) => setParameters([...parameters.filter((other) => other.name !== one.name), one]);
  const format = async () => {
    try {
      setSql(await tidy(sql));
    } catch {
      toast(w.ask.cannotFormat);
    }
  };
  const [, act] = useAct();
  const removing = () =>
    act(async () => {
      await remove("questions", saved.id);
      await queries.invalidateQueries({ queryKey: ["questions"] });
      navigate("/questions");
      toast(w.questions.removed(saved.name), {
        text: w.common.undo,
        act: () => void restore("questions", saved.id).then(() => queries.invalidateQueries({ queryKey: ["questions"] })),
      });
    });
  const certifying = () =>
    act(async () => {
      await certify("questions", saved.id, !saved.certified);
      await queries.invalidateQueries({ queryKey: ["questions"] });
    });
  return (
    <main className="page full" id="page">
      <div className={`asking ${editing ? "" : "reading"}`}>
        <div className="head">
          <h1>{saved.name}</h1>
          {saved.certified && <Badge look="good">{w.questions.certified}</Badge>}
          {kept && (
            <Link className="badge" href={path`/data/${kept.schema_name}/${kept.table_name}`}>
              {w.rollups.keptAs(`${kept.schema_name}.${kept.table_name}`)}
            </Link>
          )}
          {old ? (
            <>
              <Badge look="warn">{w.ask.version(saved.shown_version)}</Badge>
              <Link href={`/q/${saved.id}`}>{w.ask.openLive}</Link>
            </>
          ) : (
            <span className="quiet small">
              {w.common.by(saved.owner)}, {ago(saved.updated_at)}
            </span>
          )}
          <div className="actions">
            {run.state === "running" ? (
              <Button look="danger" onClick={cancel}>
                <Icon name="stop" size={14} /> {w.common.cancel}
              </Button>
            ) : (
              <Button look="main" onClick={() => void go(true)}>
                <Icon name="play" size={14} /> {w.ask.run}
              </Button>
            )}
            <Button aria-pressed={editing} onClick={() => setEditing(!editing)}>
              {w.ask.editor}
            </Button>
            {saved.body.builder && !changed && (
              <Link className="button" href={toAddress(saved.body.builder, chart, saved.id)}>
                {w.builder.withoutSql}
              </Link>
            )}
            <Button why={old ? null : whyNot} onClick={() => setDialog("save")}>
              {w.ask.save}
            </Button>
            <ShareMenu question={saved.id} result={run.tail?.result} shown={{ name: changed ? undefined : saved.name, view, chart }} />
            <Menu
              label={w.common.more}
              items={[
                { text: w.dashboards.put, why: person.may.create ? null : w.noAccess(w.dashboards.title.toLowerCase()), act: () => setDialog("put") },
                { text: w.ask.history, act: () => setDialog("history") },
                { text: w.alerts.title, act: () => setDialog("alerts") },
                { text: w.rollups.title, act: () => setDialog("rollup") },
                { text: w.owners.title, why: owns && person.may.create ? null : w.noAccess(`“${saved.name}”`), act: () => setDialog("give") },
                { text: saved.certified ? w.questions.decertify : w.questions.certify, why: person.may.manage_sources || person.may.admin ? null : w.noAccess(w.questions.certified), act: () => void certifying() },
                { text: w.questions.remove, why: whyNot, act: () => void removing() },
              ]}
            />
          </div>
        </div>
        {known.length > 0 ? (
          <div className="params" role="group" aria-label={w.ask.parameters}>
            {known.map((one) => (
              <div key={one.name} className="field">
                <Field label={one.name}>
                  <ParameterInput parameter={one} late value={valueOf(one)} defaults={one.default ? [one.default] : undefined} onChange={(value) => setSearch({ [`p.${one.name}`]: value })} />
                </Field>
                {editing && <Choice label={`${one.name}: ${w.data.type}`} value={one.type} options={TYPES} onChange={(type) => keep({ ...one, type })} />}
                {editing && <Text aria-label={`${one.name}: ${w.values.from}`} placeholder={w.values.from} title={w.values.hint} value={one.values ?? ""} onChange={(event) => keep({ ...one, values: event.target.value || undefined })} />}
              </div>
            ))}
            <Button onClick={() => void go()}>{w.ask.run}</Button>
          </div>
        ) : (
          <div />
        )}
        {editing && (
          <Suspense fallback={<Waiting />}>
            <Editor value={sql} catalogue={catalogue} functions={FUNCTIONS} schema={person.schema} onChange={setSql} onRun={() => void go()} handle={editor} />
          </Suspense>
        )}
        {editing && (
          <div className="tools">
            <Button onClick={() => void format()}>{w.ask.format}</Button>
            {changed && <Badge look="warn">{w.dashboards.changed}</Badge>}
            <span className="quiet small">{w.ask.runHint}</span>
          </div>
        )}
        <section className="answer" aria-label={saved.name}>
          <div className="tools">
            {run.state === "running" && (
              <>
                {w.ask.running} <Clock from={run.startedAt} />
              </>
            )}
            <span role="status" aria-live="polite">
              {run.state === "done" && summary(run)}
            </span>
            {run.tail?.result && <span className="quiet small">{w.ask.asOf(moment(run.tail.result.created_at))}</span>}
            <span className="grow" />
            {run.state === "done" && (
              <>
                <ViewChoice view={view} onChange={setView} />
                <DownloadMenu result={run.tail?.result} sql={sql} />
              </>
            )}
          </div>
          <FileConflict id={saved.id} why={whyNot} />
          {saved.description && (
            <p className="message quiet">
              <Said text={saved.description} />
            </p>
          )}
          <AnswerView run={run} view={view} chart={chart} onChart={setChart} retry={() => void go()} />
        </section>
      </div>
      {dialog === "put" && <PutOnDashboard question={saved.id} onClose={() => setDialog(null)} />}
      {dialog === "history" && <History saved={saved} onClose={() => setDialog(null)} />}
      {dialog === "alerts" && <Alerts question={saved.id} name={saved.name} columns={run.columns} first={run.rows[0]} onClose={close} />}
      {dialog === "give" && <GiveDialog address={path`/api/v1/questions/${saved.id}/owner`} name={saved.name} owner={saved.owner} onClose={() => setDialog(null)} />}
      {dialog === "rollup" && <RollupDialog question={saved.id} name={saved.name} writes={writes} onClose={() => setDialog(null)} />}
      {dialog === "save" && <SaveVersion saved={saved} body={{ sql, view, chart, builder: changed ? undefined : saved.body.builder, parameters: known.map((one) => ({ ...one, default: valueOf(one) })) }} owns={owns} onClose={() => setDialog(null)} />}
    </main>
  );
}

function SaveVersion({ saved, body, owns, onClose }: { saved: Saved<QuestionBody>; body: QuestionBody; owns: boolean; onClose(): void }) {
  const queries = useQueryClient();
  const [name, setName] = useState(saved.name);
  const [description, setDescription] = useState(saved.description);
  const [sharing, setSharing] = useState<Sharing>(saved.sharing);
  const [busy, act, error] = useAct();
  const save = () =>
    act(async () => {
      await update("questions", saved.id, saved.version, { name, description, sharing, body });
      await queries.invalidateQueries({ queryKey: ["questions"] });
      onClose();
      navigate(`/q/${saved.id}`);
    });
  return (
    <Dialog title={w.questions.saving} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field label={w.common.name}>
          <Text required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label={w.common.description}>
          <textarea className="input" value={description} onChange={(event) => setDescription(event.target.value)} />
        </Field>
        <Field label={w.questions.sharing} hint={w.questions.sharingHint}>
          <Choice<Sharing> value={sharing} options={SHARINGS} onChange={setSharing} disabled={!owns} />
        </Field>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy}>
            {w.common.save}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function History({ saved, onClose }: { saved: Saved<QuestionBody>; onClose(): void }) {
  const versions = useVersions("questions", saved.id, true);
  const results = useQuery({
    queryKey: ["results", saved.id],
    queryFn: async ({ signal }) => (await get<{ results: ResultInfo[] }>(`/api/v1/results?question=${encodeURIComponent(saved.id)}&limit=20`, signal)).results,
  });
  const newest = results.data?.[0];
  return (
    <Dialog title={w.ask.history} wide onClose={onClose}>
      <div className="stack">
        <h3>{w.ask.versions}</h3>
        <Loaded of={versions}>
          {(all) => (
            <ul>
              {all.map((one) => (
                <li key={one.version} className="row">
                  <Link href={path`/q/${saved.id}/v/${one.version}`} onClick={onClose}>
                    {w.ask.version(one.version)}
                  </Link>
                  <span className="quiet">{w.ask.resultOf(one.made_by, moment(one.made_at))}</span>
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <h3>{w.home.answers}</h3>
        {results.data?.length === 1 && <p className="quiet small">{w.compare.onlyOne}</p>}
        <Loaded of={results}>
          {(all) => (
            <ul>
              {all.map((one) => (
                <li key={one.id} className="row">
                  <Link href={`/r/${one.id}`} onClick={onClose}>
                    {moment(one.created_at)}
                  </Link>
                  <span className="quiet">{w.ask.rows(count(one.rows))}</span>
                  {one.pinned && <Badge>{w.ask.pinned}</Badge>}
                  <span className="grow" />
                  {newest && newest.id !== one.id && (
                    <Link className="small" href={`/r/${one.id}/compare/${newest.id}`} onClick={onClose}>
                      {w.compare.title}
                    </Link>
                  )}
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <div>
          <Button onClick={onClose}>{w.common.close}</Button>
        </div>
      </div>
    </Dialog>
  );
}
