/** All that the project's files build: models, seeds, snapshots, steps, and the sources they read. */

import { path } from "../lib/api";
import { useCalled } from "../lib/called";
import { ago, moment } from "../lib/format";
import { type Model, tableKey, useBuilt, useLastSteps, useModels } from "../lib/models";
import { Link, setSearch, usePlace } from "../lib/router";
import { usePerson } from "../lib/session";
import { quotedTable } from "../lib/sqltext";
import { Badge, Button, Choice, copy, Empty, Loaded, Text, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { StateBadge } from "../parts/state";
import { words as w } from "../words";
import { useTables } from "./data";

const KINDS = ["model", "seed", "snapshot", "step", "source"] as const;

export function Models() {
  useTitle(w.models.title);
  const { search } = usePlace();
  const person = usePerson();
  const models = useModels();
  const steps = useLastSteps();
  const built = useBuilt();
  const filter = search.get("q") ?? "";
  const kind = search.get("kind") ?? "";
  const fits = (one: Model) =>
    (kind === "" || one.kind === kind) && `${one.name} ${one.schema}.${one.table} ${one.description} ${one.owner ?? ""} ${one.tags.join(" ")}`.toLowerCase().includes(filter.toLowerCase());
  const called = useCalled(person.may.operate);
  const tables = useTables();
  const event = tables.data?.find((one) => one.table_name === "tracks");
  const example = w.models.example(event && quotedTable(event.schema_name, event.table_name));
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.models.title}</h1>
        <Text type="search" aria-label={w.common.filter} placeholder={w.common.filter} style={{ width: 220 }} value={filter} onChange={(event) => setSearch({ q: event.target.value })} />
        <div className="narrow-field">
          <Choice label={w.models.kind} value={kind} options={[["", w.models.anyKind], ...KINDS.map((one) => [one, w.models.kinds[one] ?? one] as const)]} onChange={(next) => setSearch({ kind: next })} />
        </div>
      </div>
      <Loaded of={models}>
        {({ models: all, problem }) => (
          <div className="stack">
            {problem && (
              <div className="note" role="alert">
                <strong>{w.runs.problem}</strong>
                <pre>{problem}</pre>
              </div>
            )}
            {all.length === 0 ? (
              <Empty title={w.models.empty}>
                <p>{w.models.emptyText}</p>
                <pre>{example}</pre>
                <Button onClick={() => void copy(example)}>{w.common.copy}</Button>
              </Empty>
            ) : (
              <List
                card
                label={w.models.title}
                rows={all.filter(fits).sort((a, b) => KINDS.indexOf(a.kind as "model") - KINDS.indexOf(b.kind as "model") || a.name.localeCompare(b.name))}
                keyOf={(one) => one.asset}
                columns={[
                  {
                    head: w.common.name,
                    cell: (one) => (
                      <>
                        <Link href={path`/models/${one.asset}`}>{one.name}</Link> {one.tags.map((tag) => <Badge key={tag}>{tag}</Badge>)}
                        {one.description && <div className="quiet small two-lines">{one.description}</div>}
                      </>
                    ),
                  },
                  { head: w.models.kind, cell: (one) => <span className="quiet">{one.materialized && one.kind === "model" ? one.materialized : w.models.kinds[one.kind]}</span> },
                  {
                    head: w.data.table,
                    cell: (one) => (
                      <Link href={path`/data/${one.schema}/${one.table}`}>
                        {one.schema}.{one.table}
                      </Link>
                    ),
                  },
                  { head: w.models.owner, cell: (one) => one.owner ?? "" },
                  { head: w.models.tests, number: true, cell: (one) => one.tests.length || "" },
                  {
                    head: w.models.lastRun,
                    cell: (one) => {
                      const last = steps.data?.get(one.asset);
                      const at = built.data?.get(tableKey(one.schema, one.table));
                      const ran = last?.ended_at ?? last?.started_at;
                      if (at && one.kind !== "source" && (!last || (ran && Date.parse(at) > Date.parse(ran)))) {
                        return (
                          <span className="quiet small" title={`${w.models.builtHint}, ${moment(at)}`}>
                            {w.models.built(ago(at))}
                          </span>
                        );
                      }
                      if (!last) return "";
                      return (
                        <span className="row">
                          <StateBadge state={last.state} title={last.reason ?? undefined} />
                          <Link className="small" href={`/runs/${last.run_id}?step=${encodeURIComponent(one.asset)}`}>
                            {ago(last.ended_at ?? last.started_at)}
                          </Link>
                        </span>
                      );
                    },
                  },
                  { head: w.models.schedules, cell: (one) => <span className="quiet">{one.schedules.map((name) => called(name).text).join(", ")}</span> },
                ]}
              />
            )}
          </div>
        )}
      </Loaded>
    </main>
  );
}
