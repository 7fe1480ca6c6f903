/** Which tables questions read, and which questions dashboards show: asked of the server, planned by it, run by nobody. */

import { useQuery } from "@tanstack/react-query";
import { api, get, path } from "./api";
import type { Document, Kind, QuestionBody, Saved } from "./documents";
import { useDocuments } from "./documents";
import { plannable } from "./lineage";

/** The newest documents that are looked at; each is a request. */
const MOST = 300;

/** Requests at a time. */
const AT_ONCE = 6;

async function all<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += AT_ONCE) done.push(...(await Promise.all(items.slice(i, i + AT_ONCE).map(work))));
  return done;
}

const newest = (documents: Document[]) => [...documents].sort((a, b) => b.updated_at.localeCompare(a.updated_at)).slice(0, MOST);

/** Documents in full; one that was removed meanwhile is left out. */
async function bodies<Body>(kind: Kind, documents: Document[], signal: AbortSignal): Promise<Saved<Body>[]> {
  const found = await all(documents, (one) => get<Saved<Body>>(path`/api/v1/${kind}/${one.id}`, signal).catch(() => null));
  return found.filter((one) => one !== null);
}

type Outcome = { ok: { reads: string[] } } | { failed: { message: string } };

export interface Reads {
  questions: Document[];
  reads: Map<string, string[]>;
  dashboards: { document: Document; questions: string[] }[];
  /** Questions that cannot be planned as they are: what they read is not known. */
  unknown: Document[];
  /** How many documents were not looked at. */
  left: number;
}

export function useReads() {
  const questions = useDocuments("questions");
  const dashboards = useDocuments("dashboards");
  const stamp = [...(questions.data ?? []), ...(dashboards.data ?? [])].map((one) => `${one.id} ${one.version}`);
  return useQuery({
    queryKey: ["reads", stamp],
    enabled: questions.data !== undefined && dashboards.data !== undefined,
    staleTime: 60_000,
    queryFn: async ({ signal }): Promise<Reads> => {
      const [asked, shown] = [newest(questions.data ?? []), newest(dashboards.data ?? [])];
      const [statements, boards] = await Promise.all([
        bodies<QuestionBody>("questions", asked, signal),
        bodies<{ tiles?: { question?: string }[] }>("dashboards", shown, signal),
      ]);
      const checks = statements.map(({ id, body }) => ({ schema: "main", name: `question_${id}`, sql: plannable(body) }));
      const { outcomes } = checks.length > 0 ? await api<{ outcomes: Outcome[] }>("POST", "/api/v1/check", { queries: checks }) : { outcomes: [] };
      const reads = new Map<string, string[]>();
      statements.forEach(({ id }, i) => {
        const outcome = outcomes[i];
        if (outcome && "ok" in outcome) reads.set(id, outcome.ok.reads);
      });
      return {
        questions: questions.data ?? [],
        reads,
        dashboards: boards.map((document) => ({ document, questions: (document.body.tiles ?? []).flatMap((tile) => tile.question ?? []) })),
        unknown: statements.filter(({ id }) => !reads.has(id)),
        left: (questions.data?.length ?? 0) - asked.length + (dashboards.data?.length ?? 0) - shown.length,
      };
    },
  });
}
