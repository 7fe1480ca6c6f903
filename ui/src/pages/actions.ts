/** What can be done from everywhere: as far as whoever looks may do it. */

import { useQueryClient } from "@tanstack/react-query";
import { api, path } from "../lib/api";
import { useCalled } from "../lib/called";
import { create } from "../lib/documents";
import { count } from "../lib/format";
import { navigate } from "../lib/router";
import { useSchedules } from "../lib/runs";
import type { Findable } from "../lib/search";
import { usePerson, useSession } from "../lib/session";
import { rowsOf, sync, useFetched } from "../lib/sources";
import { isDark, setTheme } from "../lib/theme";
import { toast } from "../parts/toasts";
import { words as w } from "../words";

export interface Action extends Findable {
  act(): void;
}

const failed = (error: unknown) => toast(error instanceof Error ? error.message : String(error));

export function useActions(): Action[] {
  const { may } = usePerson();
  const { signOut } = useSession();
  const queries = useQueryClient();
  const schedules = useSchedules(may.operate);
  const called = useCalled(may.operate);
  const sources = useFetched(may.manage_sources);
  const action = (name: string, act: () => unknown): Action => ({ name, kind: w.palette.action, to: `#${name}`, act: () => void Promise.resolve(act()).catch(failed) });

  const newDashboard = async () => {
    const saved = await create("dashboards", { name: w.dashboards.untitled, description: "", sharing: "read", body: { tiles: [], filters: [] } });
    await queries.invalidateQueries({ queryKey: ["dashboards"] });
    navigate(`/d/${saved.id}?edit=1`);
  };
  const trigger = async (name: string) => {
    const { run } = await api<{ run: number }>("POST", path`/api/v1/schedules/${name}/trigger`, {});
    toast(w.runs.began(run));
    navigate(`/runs/${run}`);
  };
  // It goes on while this page of the browser is open, wherever one goes in it.
  const fetchNow = async (source: string) => {
    toast(w.palette.syncing(source));
    try {
      const last = await sync(source, false, () => {}, new AbortController().signal);
      toast(`${source}: ${w.sources.synced(count(last ? rowsOf(last) : 0))}`);
    } finally {
      await queries.invalidateQueries({ predicate: (one) => ["fetched", "syncs", "sync state", "tables"].includes(String(one.queryKey[0])) });
    }
  };

  return [
    action(w.questions.new, () => navigate("/ask")),
    action(w.palette.build, () => navigate("/build")),
    ...(may.create ? [action(w.dashboards.new, newDashboard)] : []),
    action(isDark() ? w.palette.toLight : w.palette.toDark, () => setTheme(isDark() ? "light" : "dark")),
    ...(may.operate ? [action(w.runs.startTitle, () => navigate("/runs?start=1"))] : []),
    ...(schedules.data?.schedules ?? []).map((one) => action(w.palette.trigger(called(one.name).text), () => trigger(one.name))),
    ...(sources.data ?? []).filter((one) => one.problem === null).map((one) => action(w.palette.sync(one.source), () => fetchNow(one.source))),
    action(w.session.signOut, signOut),
  ];
}
