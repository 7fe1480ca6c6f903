/** Putting a question on a dashboard: which one is chosen here, the rest is done there. */

import { useQueryClient } from "@tanstack/react-query";
import { create, useDocuments } from "../lib/documents";
import { ago } from "../lib/format";
import { navigate } from "../lib/router";
import { usePerson } from "../lib/session";
import { Button, Dialog, Loaded, Trouble, useAct } from "../parts/basics";
import { words as w } from "../words";
import type { DashboardBody } from "./board";

export function PutOnDashboard({ question, onClose }: { question: string; onClose(): void }) {
  const person = usePerson();
  const queries = useQueryClient();
  const dashboards = useDocuments("dashboards");
  const [busy, act, error] = useAct();
  const go = (id: string) => navigate(`/d/${id}?${new URLSearchParams({ edit: "1", put: question })}`);
  const make = () =>
    act(async () => {
      const body: DashboardBody = { tiles: [], filters: [] };
      const saved = await create("dashboards", { name: w.dashboards.untitled, description: "", sharing: "read", body });
      await queries.invalidateQueries({ queryKey: ["dashboards"] });
      go(saved.id);
    });
  return (
    <Dialog title={w.dashboards.put} onClose={onClose}>
      <div className="stack">
        <Loaded of={dashboards}>
          {(all) => (
            <ul className="picks">
              {all
                .filter((one) => one.owner === person.name || one.sharing === "edit" || person.may.admin)
                .map((one) => (
                  <li key={one.id}>
                    <button type="button" onClick={() => go(one.id)}>
                      {one.name}
                      <small className="quiet">
                        {w.common.by(one.owner)}, {ago(one.updated_at)}
                      </small>
                    </button>
                  </li>
                ))}
            </ul>
          )}
        </Loaded>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" disabled={busy} onClick={() => void make()}>
            {w.dashboards.putOnNew}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </div>
    </Dialog>
  );
}
