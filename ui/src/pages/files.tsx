/** What is wrong with files of dashboards and questions, and which of two changed sides counts. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, get, path } from "../lib/api";
import { Button, Trouble, useAct } from "../parts/basics";
import { words as w } from "../words";

interface Files {
  folders: string[];
  problems: { path: string; problem: string }[];
  conflicts: { document: string; kind: "question" | "dashboard"; name: string; path: string }[];
}

export const useFiles = () =>
  useQuery({
    queryKey: ["files"],
    queryFn: ({ signal }) => get<Files>("/api/v1/files", signal),
    refetchInterval: ({ state }) => (state.data && state.data.folders.length > 0 ? 5_000 : false),
    staleTime: 2_000,
  });

/** Tells what is wrong with the files of a folder. */
export function FileProblems({ folder }: { folder: "dashboards" | "questions" }) {
  const wrong = (useFiles().data?.problems ?? []).filter((one) => one.path.startsWith(`${folder}/`));
  if (wrong.length === 0) return null;
  return (
    <div className="note" role="alert">
      <strong>{w.files.wrong}</strong>
      <ul>
        {wrong.map((one) => (
          <li key={one.path}>
            <code>{one.path}</code>: {one.problem}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Asks which counts, where a document and its file were both changed. */
export function FileConflict({ id, why }: { id: string; why: string | null }) {
  const queries = useQueryClient();
  const [busy, act, error] = useAct();
  const conflict = useFiles().data?.conflicts.find((one) => one.document === id);
  if (!conflict) return null;
  const keep = (side: "file" | "application") =>
    act(async () => {
      await api("POST", path`/api/v1/files/${id}`, { keep: side });
      await queries.invalidateQueries({ queryKey: ["files"] });
      await queries.invalidateQueries({ queryKey: [`${conflict.kind}s`] });
    });
  return (
    <div className="note" role="alert">
      <p>{w.files.conflict(conflict.path)}</p>
      {error !== null && <Trouble error={error} />}
      <div className="row">
        <Button why={why} disabled={busy} onClick={() => void keep("file")}>
          {w.files.keepFile}
        </Button>
        <Button why={why} disabled={busy} onClick={() => void keep("application")}>
          {w.files.keepHere}
        </Button>
      </div>
    </div>
  );
}
