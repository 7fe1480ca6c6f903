/** One model: what it is for, how it is made, what judges it, where it stands among the others. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { path } from "../lib/api";
import { useCalled } from "../lib/called";
import { useColumns } from "../lib/catalogue";
import { ago, duration, moment } from "../lib/format";
import { builtAt, type LastStep, type Model as Info, type ModelTest, type Publication, tableKey, useModel, useModels } from "../lib/models";
import { Link, navigate, setSearch, usePlace } from "../lib/router";
import { query } from "../lib/rows";
import { span, startRun } from "../lib/runs";
import { usePerson } from "../lib/session";
import { toHash } from "../lib/sheets";
import { quotedTable } from "../lib/sqltext";
import { Badge, Button, copy, Empty, Loaded, Menu, Said, Tabs, Trouble, useAct, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { StateBadge } from "../parts/state";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { Drawing, Lineage } from "./lineage";

const TABS = [
  ["overview", w.models.overview],
  ["sql", w.models.sql],
  ["lineage", w.models.lineage],
  ["runs", w.models.runs],
] as const;

type Tab = (typeof TABS)[number][0];

/** What the last build of a table left behind. */
interface Build {
  tests: Record<string, { status: string }>;
}

export function Model({ asset }: { asset: string }) {
  const model = useModel(asset);
  const { search } = usePlace();
  const tab = TABS.find(([name]) => name === search.get("tab"))?.[0] ?? "overview";
  useTitle(model.data?.name ?? w.models.title);
  return (
    <main className="page" id="page">
      <Loaded of={model} gone={w.failure.notFoundHint}>
        {(shown) => (
          <>
            <Head model={shown} />
            <Tabs<Tab> label={shown.name} value={tab} tabs={TABS} onChange={(next) => setSearch({ tab: next === "overview" ? null : next }, { push: true })} />
            {tab === "overview" && <Overview model={shown} />}
            {tab === "sql" && <Code model={shown} />}
            {/* What is no table stands only among models. */}
            {tab === "lineage" && (shown.materialized === "ephemeral" ? <Neighbours model={shown} /> : <Lineage schema={shown.schema} table={shown.table} />)}
            {tab === "runs" && <Steps model={shown} />}
          </>
        )}
      </Loaded>
    </main>
  );
}

function Head({ model }: { model: Info }) {
  const person = usePerson();
  const [, act, error] = useAct();
  const why = person.may.operate ? null : w.runs.denied;
  // Words of a selection: a name alone is enough for models, steps have one of their own.
  const own = model.kind === "rollup" ? model.asset : model.name;
  const build = (words: string) => () =>
    void act(async () => {
      const { run } = await startRun([words]);
      toast(w.runs.began(run));
      navigate(`/runs/${run}`);
    });
  const items = [
    { text: w.models.build, why, act: build(own) },
    // A selection's words know the project's files only.
    ...(model.kind === "rollup"
      ? []
      : [
          { text: w.models.buildDown, why, act: build(`${own}+`) },
          { text: w.models.buildUp, why, act: build(`+${own}`) },
        ]),
  ];
  return (
    <>
      <div className="head">
        <h1>
          <Link href="/models">{w.models.title}</Link> / {model.name}
        </h1>
        <Badge>{model.materialized ?? w.models.kinds[model.kind]}</Badge>
        {model.tags.map((tag) => (
          <Badge key={tag}>{tag}</Badge>
        ))}
        <div className="actions">
          {model.kind !== "source" && <Menu label={w.models.build} items={items} />}
          <Link className="button main" href={`/ask#${toHash({ sql: `select *\nfrom ${quotedTable(model.schema, model.table)}\nlimit 100`, view: "table" })}`}>
            {w.models.askThis}
          </Link>
        </div>
      </div>
      {error !== null && <Trouble error={error} />}
    </>
  );
}

const useFresh = (model: Info) =>
  useQuery({
    queryKey: ["model fresh", model.schema, model.table],
    queryFn: async ({ signal }) => {
      const [commit] = await query<{ committed_at: string }>("select committed_at from weir.commits where schema_name = $1 and table_name = $2 order by version desc limit 1", [model.schema, model.table], signal);
      if (commit) return commit.committed_at;
      // Views have no versions: they are what was published last.
      const published = await query<Publication>("select published_at, changes from weir.publications where state = 'published' and strpos(changes, $1) > 0 order by published_at desc limit 50", [JSON.stringify(model.table)], signal);
      return builtAt(published).get(tableKey(model.schema, model.table)) ?? null;
    },
  });

function Overview({ model }: { model: Info }) {
  const fresh = useFresh(model);
  const person = usePerson();
  const called = useCalled(person.may.operate);
  const columns = useColumns();
  const build = useQuery({
    queryKey: ["build", model.schema, model.table],
    queryFn: async ({ signal }) => {
      const rows = await query<{ build: string }>("select build from weir.builds where schema_name = $1 and table_name = $2", [model.schema, model.table], signal);
      return rows[0] ? (JSON.parse(rows[0].build) as Build) : null;
    },
  });
  const known = (columns.data ?? []).filter((one) => one.table_schema === model.schema && one.table_name === model.table);
  // Those that only the files know stand at the end: the table was built before they were written.
  const names = [...known.map((one) => one.column_name), ...model.columns.map((one) => one.name).filter((name) => !known.some((one) => one.column_name === name))];
  const testsOf = (name: string) => model.tests.filter((test) => test.column?.toLowerCase() === name.toLowerCase());
  const whole = model.tests.filter((test) => test.column === null);
  const facts: [string, React.ReactNode][] = [
    [w.data.table, <Link key="table" href={path`/data/${model.schema}/${model.table}`}>{`${model.schema}.${model.table}`}</Link>],
    [w.models.fresh, fresh.data ? <span title={moment(fresh.data)}>{ago(fresh.data)}</span> : fresh.isFetched ? w.models.unknown : ""],
    [w.models.owner, model.owner],
    [w.models.schedules, model.schedules.length > 0 ? <span className="row wrap">{model.schedules.map((name) => <Link key={name} className="badge" href={`/runs?schedule=${encodeURIComponent(name)}`}>{called(name).text}</Link>)}</span> : model.kind === "source" ? null : <span className="quiet">{w.models.nobody}</span>],
    [w.models.primaryKey, model.primary_key.length > 0 ? model.primary_key.join(", ") : null],
    [w.models.file, model.file ? <code key="file">{model.file}</code> : null],
    [w.rollups.from, model.question ? <Link key="question" href={path`/q/${model.question}`}>{w.ask.openLive}</Link> : null],
  ];
  return (
    <div className="stack">
      <section className="card stack">
        <p className={model.description ? "prose" : "quiet"}><Said text={model.description || w.models.noDescription} /></p>
        <dl className="facts">
          {facts
            .filter(([, value]) => value !== null && value !== "")
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
        </dl>
        {whole.length > 0 && <Tests tests={whole} build={build.data ?? null} />}
      </section>
      <section className="card" aria-label={w.models.columns}>
        <List
          label={w.models.columns}
          rows={names}
          keyOf={(name) => name}
          columns={[
            {
              head: w.models.column,
              cell: (name) => (
                <>
                  {name}
                  {model.columns.find((one) => one.name === name)?.description && <div className="quiet small">{model.columns.find((one) => one.name === name)?.description}</div>}
                </>
              ),
            },
            { head: w.data.type, cell: (name) => <code className="quiet">{known.find((one) => one.column_name === name)?.data_type ?? model.columns.find((one) => one.name === name)?.data_type}</code> },
            { head: w.models.tests, cell: (name) => <Tests tests={testsOf(name)} build={build.data ?? null} /> },
          ]}
        />
      </section>
      {model.tests.length === 0 && <p className="quiet">{w.models.noTests}</p>}
    </div>
  );
}

function Tests({ tests, build }: { tests: ModelTest[]; build: Build | null }) {
  return (
    <span className="row wrap">
      {tests.map((test) => {
        const status = build?.tests[test.id]?.status;
        const look = status === "pass" ? "good" : status === undefined ? undefined : test.severity === "warn" || status === "warn" ? "warn" : "bad";
        return (
          <Badge key={test.id} look={look} title={`${test.id}${test.severity === "warn" ? `; ${w.models.warns}` : ""}`}>
            {test.name}
            {test.refers_to && ` ${w.models.refers(`${test.refers_to.table}.${test.refers_to.column}`)}`}
            {status && `: ${status}`}
          </Badge>
        );
      })}
    </span>
  );
}

function Code({ model }: { model: Info }) {
  if (!model.code) return <Empty title={w.models.sql}>{w.models.seed}</Empty>;
  const text = model.code;
  return (
    <section className="card stack">
      <div className="row">
        <code className="quiet">{model.file}</code>
        <span className="grow" />
        <Button onClick={() => void copy(text)}>{w.common.copy}</Button>
      </div>
      <pre className="code">{text}</pre>
    </section>
  );
}

function Neighbours({ model }: { model: Info }) {
  const models = useModels();
  const edges = useMemo(() => (models.data?.models ?? []).flatMap((one) => one.reads.map((from) => ({ from, to: one.asset }))), [models.data]);
  const named = useMemo(() => new Map((models.data?.models ?? []).map((one) => [one.asset, one])), [models.data]);
  return (
    <Loaded of={models}>
      {() =>
        edges.some((edge) => edge.from === model.asset || edge.to === model.asset) ? (
          <Drawing
            edges={edges}
            here={model.asset}
            title={(asset) => named.get(asset)?.name ?? asset}
            kind={(asset) => w.models.kinds[named.get(asset)?.kind ?? ""] ?? ""}
            href={(asset) => `${path`/models/${asset}`}?tab=lineage`}
          />
        ) : (
          <Empty title={w.models.lineage}>{w.models.alone}</Empty>
        )
      }
    </Loaded>
  );
}

function Steps({ model }: { model: Info }) {
  const person = usePerson();
  const steps = useQuery({
    queryKey: ["steps of", model.asset],
    enabled: person.may.operate,
    queryFn: ({ signal }) =>
      query<LastStep>("select asset, run_id, state, reason, started_at, ended_at from weir.steps where asset = $1 order by step_id desc limit 50", [model.asset], signal),
    refetchInterval: 5_000,
  });
  if (!person.may.operate) return <Empty title={w.models.runs}>{w.runs.denied}</Empty>;
  return (
    <Loaded of={steps}>
      {(all) =>
        all.length === 0 ? (
          <Empty title={w.models.runs}>{w.models.noRuns}</Empty>
        ) : (
          <List
            card
            label={w.models.runs}
            rows={all}
            keyOf={(one) => one.run_id}
            columns={[
              { head: w.runs.title, cell: (one) => <Link href={`/runs/${one.run_id}?step=${encodeURIComponent(one.asset)}`}>{w.runs.run(one.run_id)}</Link> },
              { head: w.runs.state, cell: (one) => <StateBadge state={one.state} /> },
              { head: w.runs.reason, cell: (one) => <span className="quiet">{one.reason}</span> },
              { head: w.runs.started, cell: (one) => ago(one.started_at) },
              {
                head: w.runs.took,
                number: true,
                cell: (one) => {
                  const ms = span(one.started_at, one.ended_at);
                  return ms === null ? "" : duration(ms);
                },
              },
            ]}
          />
        )
      }
    </Loaded>
  );
}
