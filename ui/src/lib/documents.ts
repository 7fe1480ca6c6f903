/** Questions and dashboards as the server keeps them. */

import { useQueries, useQuery } from "@tanstack/react-query";
import type { ChartSpec } from "../charts/spec";
import type { View } from "../parts/answer";
import { api, get, path } from "./api";
import type { Builder } from "./builder";

export type Sharing = "private" | "read" | "edit";
export type Kind = "questions" | "dashboards";

export interface Document {
  id: string;
  kind: "question" | "dashboard";
  name: string;
  description: string;
  owner: string;
  sharing: Sharing;
  certified: boolean;
  version: number;
  created_at: string;
  updated_at: string;
  updated_by: string;
}

export interface Saved<Body> extends Document {
  shown_version: number;
  body: Body;
}

export interface Parameter {
  name: string;
  type: "text" | "number" | "date" | "timestamp" | "boolean";
  default?: string;
  /** A SELECT whose first column has the values to choose from; a second one has what is shown. */
  values?: string;
}

export interface QuestionBody {
  sql: string;
  view?: View;
  chart?: ChartSpec;
  parameters?: Parameter[];
  /** What it was put together from, as long as nobody changed its SQL by hand. */
  builder?: Builder;
}

export interface Version {
  version: number;
  name: string;
  made_by: string;
  made_at: string;
}

export interface Draft<Body> {
  name: string;
  description: string;
  sharing: Sharing;
  body: Body;
}

export const useDocuments = (kind: Kind) =>
  useQuery({
    queryKey: [kind],
    queryFn: async ({ signal }) => (await get<Record<Kind, Document[]>>(`/api/v1/${kind}`, signal))[kind],
  });

const documentQuery = <Body>(kind: Kind, id: string, version?: number) => ({
  queryKey: [kind, id, version ?? "newest"],
  queryFn: ({ signal }: { signal: AbortSignal }) => get<Saved<Body>>(`/api/v1/${kind}/${encodeURIComponent(id)}${version ? `?version=${version}` : ""}`, signal),
});

export const useDocument = <Body>(kind: Kind, id: string, version?: number, enabled = true) => useQuery({ ...documentQuery<Body>(kind, id, version), enabled });

/** Returns the documents that others have fetched already; fetches none by itself. */
export const useKnown = <Body>(kind: Kind, ids: string[]) => useQueries({ queries: ids.map((id) => ({ ...documentQuery<Body>(kind, id), enabled: false })) }).map((one) => one.data);

export const useVersions = (kind: Kind, id: string, wanted: boolean) =>
  useQuery({
    queryKey: [kind, id, "versions"],
    enabled: wanted,
    queryFn: async ({ signal }) => (await get<{ versions: Version[] }>(`/api/v1/${kind}/${encodeURIComponent(id)}/versions`, signal)).versions,
  });

export const create = <Body>(kind: Kind, draft: Draft<Body>) => api<Saved<Body>>("POST", `/api/v1/${kind}`, draft);

export const update = <Body>(kind: Kind, id: string, version: number, draft: Draft<Body>) => api<Saved<Body>>("PUT", `/api/v1/${kind}/${encodeURIComponent(id)}`, { ...draft, version });

export const remove = (kind: Kind, id: string) => api<void>("DELETE", `/api/v1/${kind}/${encodeURIComponent(id)}`);

export const restore = (kind: Kind, id: string) => api<void>("POST", `/api/v1/${kind}/${encodeURIComponent(id)}/restore`);

export const certify = (kind: Kind, id: string, certified: boolean) => api<void>("PUT", `${path`/api/v1/${kind}/${id}`}/certified`, { certified });
