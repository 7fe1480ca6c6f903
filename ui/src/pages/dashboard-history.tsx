/** What a dashboard was: its versions, one of them looked at, and made the newest again; and how one goes. */

import { useQueryClient } from "@tanstack/react-query";
import { remove, restore, type Saved, update, useVersions } from "../lib/documents";
import { moment } from "../lib/format";
import { Link, navigate, setSearch } from "../lib/router";
import { Badge, Button, Dialog, Loaded, Trouble, useAct } from "../parts/basics";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import type { DashboardBody } from "./board";

export function History({ saved, onClose }: { saved: Saved<DashboardBody>; onClose(): void }) {
  const versions = useVersions("dashboards", saved.id, true);
  return (
    <Dialog title={w.ask.versions} onClose={onClose}>
      <div className="stack">
        <Loaded of={versions}>
          {(all) => (
            <ul>
              {all.map((one) => (
                <li key={one.version} className="row">
                  <Link href={one.version === saved.version ? `/d/${saved.id}` : `/d/${saved.id}?version=${one.version}`} onClick={onClose}>
                    {w.ask.version(one.version)}
                  </Link>
                  <span className="quiet">{w.ask.resultOf(one.made_by, moment(one.made_at))}</span>
                  {one.version === saved.version && <Badge>{w.dashboards.newest}</Badge>}
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

/** Above a version that is not the newest. */
export function OldVersion({ saved, why }: { saved: Saved<DashboardBody>; why: string | null }) {
  const queries = useQueryClient();
  const [busy, act, error] = useAct();
  const again = () =>
    act(async () => {
      // Who may see it is not part of what it was: an old version opens it to nobody.
      await update("dashboards", saved.id, saved.version, { name: saved.name, description: saved.description, sharing: saved.sharing, body: saved.body });
      await queries.invalidateQueries({ queryKey: ["dashboards"] });
      setSearch({ version: null });
      toast(w.dashboards.restored(saved.shown_version));
    });
  return (
    <div className="stack tight old">
      <div className="row wrap">
        <Badge look="warn">{w.ask.version(saved.shown_version)}</Badge>
        <span className="quiet small">{w.dashboards.oldHint}</span>
        <Button why={why} disabled={busy} onClick={() => void again()}>
          {w.dashboards.restore}
        </Button>
        <Link href={`/d/${saved.id}`}>{w.dashboards.openNewest}</Link>
      </div>
      {error !== null && <Trouble error={error} />}
    </div>
  );
}

export function RemoveDialog({ saved, onClose }: { saved: Saved<DashboardBody>; onClose(): void }) {
  const queries = useQueryClient();
  const [busy, act, error] = useAct();
  const again = () => queries.invalidateQueries({ queryKey: ["dashboards"] });
  const removing = () =>
    act(async () => {
      await remove("dashboards", saved.id);
      navigate("/dashboards");
      await again();
      toast(w.dashboards.removed(saved.name), { text: w.common.undo, act: () => void restore("dashboards", saved.id).then(again) });
    });
  return (
    <Dialog title={w.dashboards.removing(saved.name)} onClose={onClose}>
      <div className="stack">
        <p>{w.dashboards.removingHint}</p>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="danger" disabled={busy} onClick={() => void removing()}>
            {w.dashboards.remove}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </div>
    </Dialog>
  );
}
