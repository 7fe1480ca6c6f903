/** Links by which pages of others show a dashboard. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { ago } from "../lib/format";
import { Button, copy, Dialog, Field, Loaded, Text, Trouble, useAct } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";
import type { Filter } from "./board";
import { FilterInput } from "./dashboard-filter";

interface Embed {
  id: string;
  label: string;
  locked: Record<string, unknown>;
  sites: string[];
  made_by: string;
  created_at: string;
  expires_at: string | null;
}

/** The markup that shows a link on a page. */
export const frame = (address: string) => `<iframe src="${address}" style="width: 100%; height: 640px; border: 0" title="Weir"></iframe>`;

export function Embeds({ id, filters, onClose }: { id: string; filters: Filter[]; onClose(): void }) {
  const queries = useQueryClient();
  const embeds = useQuery({ queryKey: ["embeds", id], queryFn: async ({ signal }) => (await get<{ embeds: Embed[] }>(path`/api/v1/dashboards/${id}/embeds`, signal)).embeds });
  const [label, setLabel] = useState("");
  const [sites, setSites] = useState("");
  const [days, setDays] = useState("365");
  const [locked, setLocked] = useState<Record<string, string>>({});
  const [made, setMade] = useState<string | null>(null);
  const [busy, act, error] = useAct();
  const again = () => queries.invalidateQueries({ queryKey: ["embeds", id] });
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      const values = Object.fromEntries(Object.entries(locked).filter(([, value]) => value !== ""));
      const body = { label, sites: sites.split(/[\s,]+/).filter(Boolean), locked: values, expires_in_days: days ? Number(days) : null };
      const answer = await api<{ path: string }>("POST", path`/api/v1/dashboards/${id}/embeds`, body);
      setMade(location.origin + answer.path);
      await again();
    });
  };
  const revoke = (embed: string) =>
    act(async () => {
      await api("DELETE", path`/api/v1/dashboards/${id}/embeds/${embed}`);
      await again();
    });
  return (
    <Dialog title={w.dashboards.embed} wide onClose={onClose}>
      <div className="stack">
        <p className="quiet">{w.embeds.hint}</p>
        <form className="stack" onSubmit={make}>
          <div className="row wrap">
            <Field label={w.embeds.label}>
              <Text value={label} maxLength={200} onChange={(event) => setLabel(event.target.value)} />
            </Field>
            <Field label={w.embeds.sites} hint={w.embeds.sitesHint}>
              <Text required value={sites} placeholder="https://example.com" onChange={(event) => setSites(event.target.value)} />
            </Field>
            <Field label={w.settings.days}>
              <Text type="number" min={1} max={3650} value={days} onChange={(event) => setDays(event.target.value)} />
            </Field>
          </div>
          {filters.length > 0 && (
            <fieldset className="plainset stack">
              <legend className="legend">{w.embeds.locked}</legend>
              <div className="row wrap">
                {filters.map((filter) => (
                  <div key={filter.name} className="row">
                    <FilterInput filter={{ ...filter, default: undefined }} value={locked[filter.name] ?? ""} onChange={(value) => setLocked({ ...locked, [filter.name]: value ?? "" })} />
                  </div>
                ))}
              </div>
            </fieldset>
          )}
          {error !== null && <Trouble error={error} />}
          <div>
            <Button look="main" type="submit" disabled={busy}>
              {w.embeds.make}
            </Button>
          </div>
        </form>
        {made && (
          <div className="secret" role="status">
            <div className="grow">
              <p>{w.settings.tokenOnce}</p>
              <code>{made}</code>
            </div>
            <Button onClick={() => void copy(made)}>{w.embeds.copyLink}</Button>
            <Button onClick={() => void copy(frame(made))}>{w.embeds.copyFrame}</Button>
          </div>
        )}
        <Loaded of={embeds}>
          {(all) =>
            all.length === 0 ? null : (
              <List
                label={w.dashboards.embed}
                rows={all}
                keyOf={(one) => one.id}
                columns={[
                  { head: w.embeds.label, cell: (one) => one.label || <code className="quiet">{one.id}</code> },
                  { head: w.embeds.sites, cell: (one) => one.sites.join(", ") },
                  { head: w.embeds.locked, cell: (one) => Object.entries(one.locked).map(([name, value]) => `${name} = ${value ?? w.values.pick}`).join(", ") },
                  { head: w.questions.owner, cell: (one) => one.made_by },
                  { head: w.settings.expires, cell: (one) => (one.expires_at ? ago(one.expires_at) : w.settings.forEver) },
                  { head: w.settings.revoke, quiet: true, cell: (one) => <Button onClick={() => void revoke(one.id)}>{w.settings.revoke}</Button> },
                ]}
              />
            )
          }
        </Loaded>
        <div>
          <Button onClick={onClose}>{w.common.close}</Button>
        </div>
      </div>
    </Dialog>
  );
}
