/** When somebody wants to be told: a question that is asked by itself, and when its answer is bad news. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { ago, cell, isNumber, moment } from "../lib/format";
import type { Column, Row } from "../lib/rows";
import { usePerson } from "../lib/session";
import { Badge, Button, Choice, Dialog, Field, Loaded, Said, Text, Trouble, useAct } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";

const COMPARISONS = ["less", "most", "more", "least", "rows", "no_rows"] as const;
type Comparison = (typeof COMPARISONS)[number];

export interface Alert {
  id: string;
  name: string;
  question: string;
  made_by: string;
  condition: { is: Comparison; column: string | null; than: number | null };
  every_minutes: number;
  /** Who is told; everybody where nobody is named. */
  receivers: string[];
  asked_at: string | null;
  bad: boolean | null;
  said: string | null;
}

interface Answered {
  alerts: Alert[];
  /** Whom `alerts` in schedules.yml names. */
  receivers: string[];
}

const query = { queryKey: ["alerts"], queryFn: ({ signal }: { signal: AbortSignal }) => get<Answered>("/api/v1/alerts", signal), refetchInterval: 15_000 };

export const useAlerts = () => useQuery({ ...query, select: ({ alerts }) => alerts });

const told = ({ is, column, than }: Alert["condition"]) => [is === "rows" || is === "no_rows" ? "" : (column ?? w.alerts.firstNumber), w.alerts.comparisons[is], than ?? ""].filter((part) => part !== "").join(" ");

const EVERY = [5, 15, 60, 360, 1440] as const;

/** Who is told; whom the file names no more is not, and nobody else instead. */
function Receivers({ names, known }: { names: string[]; known: string[] }) {
  return (
    <>
      {names.map((name) => (known.includes(name) ? <div key={name}>{name}</div> : <Badge key={name} look="warn" title={w.alerts.gone(name)}>{name}</Badge>))}
      {!names.some((name) => known.includes(name)) && <div className="small">{w.alerts.allGone}</div>}
    </>
  );
}

export function Alerts({ question, name, columns, first, onClose }: { question: string; name: string; columns: Column[]; /** What the answer says first, as it is now. */ first: Row | undefined; onClose(): void }) {
  const numbers = columns.filter((one) => isNumber(one.type)).map((one) => one.name);
  const queries = useQueryClient();
  const person = usePerson();
  const alerts = useAlerts();
  const receivers = useQuery({ ...query, select: (answered) => answered.receivers }).data ?? [];
  const [to, setTo] = useState<string[] | null>(null);
  // Who is added to the file later is told as well, unless somebody chose.
  const chosen = to ?? receivers;
  const [title, setTitle] = useState(name);
  const [is, setIs] = useState<Comparison>("less");
  const [column, setColumn] = useState("");
  const [than, setThan] = useState("");
  const [every, setEvery] = useState("60");
  const [busy, act, error] = useAct();
  const counts = is === "rows" || is === "no_rows";
  const again = () => queries.invalidateQueries({ queryKey: ["alerts"] });
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      const condition = counts ? { is } : { is, column: column || null, than: Number(than) };
      const made = await api<Alert>("POST", "/api/v1/alerts", { name: title, question, condition, every_minutes: Number(every), receivers: to ?? [] });
      await api("POST", path`/api/v1/alerts/${made.id}/check`);
      await again();
    });
  };
  const change = (method: string, address: string) =>
    act(async () => {
      await api(method, address);
      await again();
    });
  return (
    <Dialog title={w.alerts.title} wide onClose={onClose}>
      <div className="stack">
        <p className="quiet"><Said text={w.alerts.hint} /></p>
        <Loaded of={alerts}>
          {(all) => {
            const own = all.filter((one) => one.question === question);
            if (own.length === 0) return null;
            return (
              <List
                label={w.alerts.title}
                rows={own}
                keyOf={(one) => one.id}
                columns={[
                  {
                    head: w.common.name,
                    cell: (one) => (
                      <>
                        {one.name}
                        <div className="quiet small">
                          {told(one.condition)}, {w.alerts.every(one.every_minutes)}
                        </div>
                      </>
                    ),
                  },
                  {
                    head: w.runs.state,
                    cell: (one) => (
                      <>
                        {one.asked_at ? <Badge look={one.bad === false ? undefined : one.bad ? "bad" : "warn"}>{one.bad === false ? w.alerts.well : one.bad ? w.alerts.raised : w.alerts.noAnswer}</Badge> : w.alerts.notYet}
                        {one.said && <div className="small">{one.said}</div>}
                      </>
                    ),
                  },
                  { head: w.data.at, cell: (one) => one.asked_at && <span title={moment(one.asked_at)}>{ago(one.asked_at)}</span> },
                  { head: w.deliveries.to, cell: (one) => (one.receivers.length > 0 ? <Receivers names={one.receivers} known={receivers} /> : w.alerts.everybody) },
                  { head: w.questions.owner, cell: (one) => one.made_by },
                  {
                    head: w.common.more,
                    quiet: true,
                    cell: (one) => {
                      const why = one.made_by === person.name || person.may.admin ? null : w.noAccess(`“${one.name}”`);
                      return (
                        <span className="row">
                          <Button why={why} disabled={busy} onClick={() => void change("POST", path`/api/v1/alerts/${one.id}/check`)}>
                            {w.alerts.check}
                          </Button>
                          <Button why={why} disabled={busy} onClick={() => void change("DELETE", path`/api/v1/alerts/${one.id}`)}>
                            {w.common.remove}
                          </Button>
                        </span>
                      );
                    },
                  },
                ]}
              />
            );
          }}
        </Loaded>
        <form className="stack" onSubmit={make}>
          <h3>{w.alerts.make}</h3>
          <Field label={w.alerts.name}>
            <Text required maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} />
          </Field>
          <div className="row wrap">
            {!counts && (
              <Field label={w.builder.column}>
                <Choice value={column} options={[["", w.alerts.firstNumber], ...numbers.map((one) => [one, one] as const)]} onChange={setColumn} />
              </Field>
            )}
            <Field label={w.alerts.when}>
              <Choice<Comparison> value={is} options={COMPARISONS.map((one) => [one, w.alerts.comparisons[one]] as const)} onChange={setIs} />
            </Field>
            {!counts && (
              <Field label={w.alerts.than}>
                <Text type="number" step="any" required value={than} onChange={(event) => setThan(event.target.value)} />
              </Field>
            )}
            <Field label={w.alerts.asked}>
              <Choice value={every} options={EVERY.map((minutes) => [String(minutes), w.alerts.every(minutes)] as const)} onChange={setEvery} />
            </Field>
          </div>
          {!counts && first && <p className="quiet small">{w.alerts.now(columns.slice(0, 6).map((one, i) => `${one.name} ${cell(first[i], one.type)}`).join(", "))}</p>}
          {receivers.length > 0 ? (
            <fieldset className="plainset row wrap">
              <legend className="legend">{w.deliveries.to}</legend>
              {receivers.map((name) => (
                <label key={name} className="row">
                  <input type="checkbox" checked={chosen.includes(name)} onChange={(event) => setTo(event.target.checked ? [...chosen, name] : chosen.filter((other) => other !== name))} /> {name}
                </label>
              ))}
            </fieldset>
          ) : (
            <div className="stack">
              <p className="quiet">{w.alerts.nobody}</p>
              <pre>{w.deliveries.example}</pre>
            </div>
          )}
          {error !== null && <Trouble error={error} />}
          <div className="row">
            <Button look="main" type="submit" why={person.may.create ? (to?.length === 0 ? w.alerts.choose : null) : w.noAccess(w.alerts.title)} disabled={busy}>
              {w.alerts.make}
            </Button>
            <Button onClick={onClose}>{w.common.close}</Button>
          </div>
        </form>
      </div>
    </Dialog>
  );
}
