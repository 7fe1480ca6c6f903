/** To whom a dashboard is sent when. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { usePerson } from "../lib/session";
import { Button, Choice, Dialog, Field, Loaded, Text, Trouble, useAct } from "../parts/basics";
import { Cron, List } from "../parts/list";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { type Filter, ownDefault, type Said } from "./board";
import { FilterInput, rangeName } from "./dashboard-filter";
import { type Goes, LastRun } from "./rollup";

interface Delivery {
  id: string;
  owner: string;
  receivers: string[];
  filters: Record<string, unknown>;
  cron: string;
  zone: string;
  goes: Goes;
}

const CRONS = [
  ["0 8 * * 1-5", w.deliveries.weekdays],
  ["0 8 * * 1", w.deliveries.mondays],
  ["0 8 1 * *", w.deliveries.months],
] as const;

export function Deliveries({ id, filters, why, onClose }: { id: string; filters: Filter[]; why: string | null; onClose(): void }) {
  const person = usePerson();
  const queries = useQueryClient();
  const all = useQuery({
    queryKey: ["deliveries", id],
    queryFn: ({ signal }) => get<{ deliveries: Delivery[]; receivers: string[] }>(path`/api/v1/dashboards/${id}/deliveries`, signal),
    refetchInterval: 2_000,
  });
  const [busy, act, error] = useAct();
  const again = () => queries.invalidateQueries({ queryKey: ["deliveries", id] });
  const change = (method: string, address: string, told?: string) =>
    act(async () => {
      await api(method, address);
      if (told) toast(told);
      await again();
    });
  return (
    <Dialog title={w.deliveries.title} wide onClose={onClose}>
      <div className="stack">
        <p className="quiet">{w.deliveries.hint}</p>
        <Loaded of={all}>
          {({ deliveries, receivers }) => (
            <>
              {deliveries.length > 0 && (
                <List
                  label={w.deliveries.title}
                  rows={deliveries}
                  keyOf={(one) => one.id}
                  columns={[
                    {
                      head: w.deliveries.to,
                      cell: (one) => (
                        <>
                          {one.receivers.join(", ")}
                          {Object.entries(one.filters).map(([name, value]) => (
                            <div key={name} className="quiet small">
                              {name}: {value === null ? w.values.pick : rangeName(String(value))}
                            </div>
                          ))}
                        </>
                      ),
                    },
                    {
                      head: w.deliveries.when,
                      cell: (one) => (
                        <>
                          <Cron line={one.cron} />
                          <div className="quiet small">{one.zone}</div>
                        </>
                      ),
                    },
                    { head: w.questions.owner, cell: (one) => one.owner },
                    {
                      head: w.schedules.last,
                      cell: (one) => (
                        <dl className="facts">
                          <LastRun goes={one.goes} />
                        </dl>
                      ),
                    },
                    {
                      head: w.common.more,
                      quiet: true,
                      cell: (one) => {
                        const not = one.owner === person.name || person.may.admin ? null : w.noAccess(w.deliveries.title);
                        return (
                          <span className="row">
                            <Button why={not} disabled={busy} onClick={() => void change("POST", path`/api/v1/dashboards/${id}/deliveries/${one.id}/send`, w.deliveries.sending)}>
                              {w.deliveries.now}
                            </Button>
                            <Button why={not === null ? null : why} disabled={busy} onClick={() => void change("DELETE", path`/api/v1/dashboards/${id}/deliveries/${one.id}`)}>
                              {w.common.remove}
                            </Button>
                          </span>
                        );
                      },
                    },
                  ]}
                />
              )}
              {error !== null && <Trouble error={error} />}
              {receivers.length === 0 ? (
                <div className="stack">
                  <p>{w.deliveries.nobody}</p>
                  <pre>{w.deliveries.example}</pre>
                </div>
              ) : (
                <NewDelivery id={id} filters={filters} receivers={receivers} why={why} onMade={again} />
              )}
            </>
          )}
        </Loaded>
        <div>
          <Button onClick={onClose}>{w.common.close}</Button>
        </div>
      </div>
    </Dialog>
  );
}

function NewDelivery({ id, filters, receivers, why, onMade }: { id: string; filters: Filter[]; receivers: string[]; why: string | null; onMade(): Promise<void> }) {
  const [to, setTo] = useState<string[]>(receivers.slice(0, 1));
  const [when, setWhen] = useState<string>(CRONS[0][0]);
  const [own, setOwn] = useState("0 8 * * *");
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC");
  const [values, setValues] = useState<Record<string, Said>>({});
  const saidOf = (filter: Filter): Said => (filter.name in values ? (values[filter.name] ?? null) : ownDefault(filter));
  const [busy, act, error] = useAct();
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      // What says the default says nothing: it follows the dashboard.
      const chosen = Object.fromEntries(filters.filter((filter) => filter.name in values && saidOf(filter) !== ownDefault(filter)).map((filter) => [filter.name, saidOf(filter)]));
      await api("POST", path`/api/v1/dashboards/${id}/deliveries`, { receivers: to, cron: when === "other" ? own : when, zone, filters: chosen });
      await onMade();
    });
  };
  return (
    <form className="stack" onSubmit={make}>
      <h3>{w.deliveries.make}</h3>
      <fieldset className="plainset row wrap">
        <legend className="legend">{w.deliveries.to}</legend>
        {receivers.map((name) => (
          <label key={name} className="row">
            <input type="checkbox" checked={to.includes(name)} onChange={(event) => setTo(event.target.checked ? [...to, name] : to.filter((other) => other !== name))} /> {name}
          </label>
        ))}
      </fieldset>
      <div className="row wrap">
        <Field label={w.deliveries.when}>
          <Choice value={when} options={[...CRONS, ["other", w.rollups.other]]} onChange={setWhen} />
        </Field>
        {when === "other" && (
          <Field label={w.rollups.cron} hint={w.rollups.cronHint}>
            <Text required value={own} onChange={(event) => setOwn(event.target.value)} />
          </Field>
        )}
        <Field label={w.rollups.zone}>
          <Text required value={zone} onChange={(event) => setZone(event.target.value)} />
        </Field>
        {filters.map((filter) => (
          <div key={filter.name} className="row">
            <FilterInput filter={filter} value={saidOf(filter)} defaults={filter.default ? [ownDefault(filter)] : []} onChange={(value) => setValues({ ...values, [filter.name]: value === "" ? ownDefault(filter) : value })} />
          </div>
        ))}
      </div>
      {error !== null && <Trouble error={error} />}
      <div>
        <Button look="main" type="submit" why={why} disabled={busy || to.length === 0}>
          {w.deliveries.make}
        </Button>
      </div>
    </form>
  );
}
