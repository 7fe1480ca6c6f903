/** A dashboard as text: out to git, and back. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, path, send } from "../lib/api";
import type { Sharing } from "../lib/documents";
import { Button, copy, Dialog, Loaded, Trouble, useAct } from "../parts/basics";
import { words as w } from "../words";
import type { DashboardBody } from "./board";

export interface ReadDashboard {
  name: string;
  description: string;
  sharing: Sharing;
  body: DashboardBody;
}

export function Yaml({ id, editable, onRead, onClose }: { id: string; editable: boolean; onRead(read: ReadDashboard): void; onClose(): void }) {
  const text = useQuery({
    queryKey: ["dashboards", id, "yaml"],
    staleTime: 0,
    queryFn: async ({ signal }) => (await send("GET", path`/api/v1/dashboards/${id}/yaml`, undefined, signal)).text(),
  });
  return (
    <Dialog title={w.dashboards.yaml} wide onClose={onClose}>
      <div className="stack">
        <p className="quiet">{w.dashboards.yamlHint}</p>
        <Loaded of={text}>{(kept) => <Edited key={kept} kept={kept} editable={editable} onRead={onRead} onClose={onClose} />}</Loaded>
      </div>
    </Dialog>
  );
}

function Edited({ kept, editable, onRead, onClose }: { kept: string; editable: boolean; onRead(read: ReadDashboard): void; onClose(): void }) {
  const [text, setText] = useState(kept);
  const [busy, act, error] = useAct();
  return (
    <>
      <textarea className="input mono" rows={18} aria-label={w.dashboards.yaml} spellCheck={false} readOnly={!editable} value={text} onChange={(event) => setText(event.target.value)} />
      {error !== null && <Trouble error={error} />}
      <div className="row">
        {editable && (
          <Button look="main" disabled={busy} onClick={() => void act(async () => onRead(await api<ReadDashboard>("POST", "/api/v1/dashboards/yaml", { yaml: text })))}>
            {w.dashboards.importYaml}
          </Button>
        )}
        <Button onClick={() => void copy(text)}>{w.common.copy}</Button>
        <Button onClick={onClose}>{w.common.close}</Button>
      </div>
    </>
  );
}
