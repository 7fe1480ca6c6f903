/** All dashboards one may open. */

import { useQueryClient } from "@tanstack/react-query";
import { create, useDocuments } from "../lib/documents";
import { ago } from "../lib/format";
import { Link, navigate } from "../lib/router";
import { usePerson } from "../lib/session";
import { Badge, Button, Empty, Loaded, Said, Trouble, useAct, useTitle } from "../parts/basics";
import { words as w } from "../words";
import type { DashboardBody } from "./board";
import { FileProblems } from "./files";

export function Dashboards() {
  useTitle(w.dashboards.title);
  const dashboards = useDocuments("dashboards");
  const queries = useQueryClient();
  const person = usePerson();
  const [busy, act, error] = useAct();
  const make = () =>
    act(async () => {
      const body: DashboardBody = { tiles: [], filters: [] };
      const saved = await create("dashboards", { name: w.dashboards.untitled, description: "", sharing: "read", body });
      await queries.invalidateQueries({ queryKey: ["dashboards"] });
      navigate(`/d/${saved.id}?edit=1`);
    });
  const button = (
    <Button look="main" why={person.may.create ? null : w.noAccess(w.dashboards.title.toLowerCase())} disabled={busy} onClick={() => void make()}>
      {w.dashboards.new}
    </Button>
  );
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.dashboards.title}</h1>
        <div className="actions">{button}</div>
      </div>
      {error !== null && <Trouble error={error} />}
      <FileProblems folder="dashboards" />
      <Loaded of={dashboards}>
        {(all) =>
          all.length === 0 ? (
            <Empty title={w.dashboards.empty}>
              <p>{w.dashboards.emptyText}</p>
            </Empty>
          ) : (
            <div className="cards">
              {all.map((one) => (
                <article key={one.id} className="card stack">
                  <h2>
                    <Link href={`/d/${one.id}`}>{one.name}</Link> {one.certified && <Badge look="good">{w.questions.certified}</Badge>}
                  </h2>
                  {one.description && <p><Said text={one.description} /></p>}
                  <p className="quiet small">
                    {w.common.by(one.owner)}, {ago(one.updated_at)}
                  </p>
                </article>
              ))}
            </div>
          )
        }
      </Loaded>
    </main>
  );
}
