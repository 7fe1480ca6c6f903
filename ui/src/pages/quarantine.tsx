/** What was refused, and why: to be put right and taken all the same. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, get } from "../lib/api";
import { ago, count, moment } from "../lib/format";
import { setSearch, usePlace } from "../lib/router";
import { query } from "../lib/rows";
import { usePerson } from "../lib/session";
import { quoted } from "../lib/sqltext";
import { Badge, Button, Choice, Dialog, Empty, Loaded, Trouble, useAct } from "../parts/basics";
import { List } from "../parts/list";
import { toast } from "../parts/toasts";
import { words as w } from "../words";

interface Refused {
  source: string;
  fate: string;
  reason: string | null;
  detail: string | null;
  event: string | null;
  type: string | null;
  message_id: string | null;
  received_at: string;
  weir_seq: number;
}

interface Released {
  source: string;
  seq: number;
  released_by: string;
  released_at: string;
}

/** Reasons whose event is whole, and can be put right by hand. */
export const MENDABLE = new Set(["missing_id", "missing_event", "missing_group_id", "missing_type", "unknown_type", "invalid_field", "malformed_json", "not_an_object", "too_deep", "batch_broken", "batch_overflow"]);

/** Entries of a page. */
const PAGE = 500;

const REFUSED = "fate in ('quarantined', 'conflict', 'discarded_column')";

/** Where the next page begins: behind its last entry. */
const placeOf = (one: Refused) => `${one.received_at}~${one.weir_seq}`;

/** A page of what was refused, for one reason or all, the newest first. */
const useRefused = (reason: string, before: string) =>
  useQuery({
    queryKey: ["quarantine", reason, before],
    queryFn: ({ signal }) => {
      const [at = null, seq = null] = before ? before.split("~") : [];
      return query<Refused>(
        `select source, fate, reason, detail, event, type, message_id, received_at, weir_seq from weir.event_fate
         where ${REFUSED} and ($1::text is null or coalesce(reason, fate) = $1::text)
         and ($2::timestamptz is null or received_at < $2::timestamptz or (received_at = $2::timestamptz and weir_seq < $3::bigint))
         order by received_at desc, weir_seq desc limit ${PAGE}`,
        [reason || null, at, seq],
        signal,
      );
    },
  });

/** How many there are, by reason. */
const useReasons = () =>
  useQuery({
    queryKey: ["quarantine reasons"],
    queryFn: ({ signal }) => query<{ reason: string; entries: number }>(`select coalesce(reason, fate) as reason, count(*) as entries from weir.event_fate where ${REFUSED} group by 1 order by 1`, [], signal),
  });

export function Quarantine() {
  const person = usePerson();
  const { search } = usePlace();
  const reason = search.get("reason") ?? "";
  const before = search.get("before") ?? "";
  const [mending, setMending] = useState<Refused | null>(null);
  const refused = useRefused(reason, before);
  const reasons = useReasons();
  const total = (reasons.data ?? []).filter((one) => reason === "" || one.reason === reason).reduce((sum, one) => sum + one.entries, 0);
  const released = useQuery({
    queryKey: ["released"],
    enabled: person.may.manage_sources,
    queryFn: async ({ signal }) => new Map((await get<{ released: Released[] }>("/api/v1/events/released", signal)).released.map((one) => [`${one.source}/${one.seq}`, one])),
  });
  const why = person.may.manage_sources ? null : w.sources.denied;
  return (
    <Loaded of={refused}>
      {(all) => {
        if (all.length === 0 && !reason && !before) return person.may.manage_sources ? <Empty title={w.events.noQuarantine}>{w.events.noQuarantineText}</Empty> : <Empty title={w.events.quarantine}>{w.events.quarantineDenied}</Empty>;
        const oldest = all.at(-1);
        return (
          <div className="stack">
            <div className="narrow-field">
              <Choice
                label={w.events.reason}
                value={reason}
                options={[["", w.events.anyReason], ...(reasons.data ?? []).map((one) => [one.reason, `${one.reason} (${count(one.entries)})`] as const), ...(reason && !reasons.data?.some((one) => one.reason === reason) ? [[reason, reason] as const] : [])]}
                onChange={(next) => setSearch({ reason: next || null, before: null })}
              />
            </div>
            {(total > PAGE || before) && (
              <div className="note row wrap" role="status">
                <span className="grow">{before ? w.events.olderThan(count(all.length), moment(before.split("~")[0] ?? ""), count(total)) : w.events.newestOf(count(all.length), count(total))}</span>
                {before && <Button onClick={() => setSearch({ before: null })}>{w.events.newest}</Button>}
                {oldest && all.length === PAGE && <Button onClick={() => setSearch({ before: placeOf(oldest) }, { push: true })}>{w.events.older}</Button>}
              </div>
            )}
            <List
              card
              label={w.events.quarantine}
              rows={all}
              keyOf={(one, at) => `${one.source}/${one.weir_seq}/${at}`}
              columns={[
                { head: w.events.fate, cell: (one) => <Badge look={one.fate === "quarantined" ? "bad" : "warn"}>{one.fate}</Badge> },
                {
                  head: w.events.reason,
                  cell: (one) => (
                    <>
                      {one.reason}
                      {one.detail && <div className="quiet small">{one.detail}</div>}
                    </>
                  ),
                },
                { head: w.events.name, cell: (one) => one.event ?? one.type ?? "" },
                { head: w.events.source, cell: (one) => one.source },
                { head: w.data.at, cell: (one) => <span title={one.received_at}>{ago(one.received_at)}</span> },
                {
                  head: w.events.mend,
                  quiet: true,
                  cell: (one) => {
                    if (one.fate !== "quarantined" || !MENDABLE.has(one.reason ?? "")) return "";
                    const done = released.data?.get(`${one.source}/${one.weir_seq}`);
                    if (done) {
                      return (
                        <Badge look="good" title={w.ask.resultOf(done.released_by, moment(done.released_at))}>
                          {w.events.released}
                        </Badge>
                      );
                    }
                    return (
                      <Button why={why} aria-label={`${w.events.mend}: ${one.weir_seq}`} onClick={() => setMending(one)}>
                        {w.events.mend}
                      </Button>
                    );
                  },
                },
              ]}
            />
            {mending && <Mend refused={mending} onClose={() => setMending(null)} />}
          </div>
        );
      }}
    </Loaded>
  );
}

/** Writes an event so that it can be read; what is no JSON stays as it came. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

interface Verdict {
  status: string;
  reason: string | null;
  detail: string | null;
}

function Mend({ refused, onClose }: { refused: Refused; onClose(): void }) {
  const raw = useQuery({
    queryKey: ["refused", refused.source, refused.weir_seq],
    queryFn: async ({ signal }) =>
      (await query<{ raw_text: string | null }>(`select raw_text from ${quoted(`raw_${refused.source}`)}.quarantine where weir_seq = $1`, [refused.weir_seq], signal))[0]?.raw_text ?? "",
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Dialog title={w.events.mendTitle} wide onClose={onClose}>
      <div className="stack">
        <p>
          <Badge look="bad">{refused.reason}</Badge> {refused.detail}
        </p>
        <Loaded of={raw}>{(text) => <Mended refused={refused} text={pretty(text)} onClose={onClose} />}</Loaded>
      </div>
    </Dialog>
  );
}

function Mended({ refused, text, onClose }: { refused: Refused; text: string; onClose(): void }) {
  const queries = useQueryClient();
  const [now, setNow] = useState(text);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [busy, act, error] = useAct();
  let event: unknown;
  let wrong = "";
  try {
    event = JSON.parse(now);
    if (typeof event !== "object" || event === null || Array.isArray(event)) wrong = w.events.noObject;
  } catch (failure) {
    wrong = failure instanceof Error ? failure.message : String(failure);
  }
  const release = () =>
    act(async () => {
      const answer = await api<Verdict>("POST", "/api/v1/events/released", { source: refused.source, seq: refused.weir_seq, event });
      if (answer.status !== "accepted") return setVerdict(answer);
      await queries.invalidateQueries({ queryKey: ["released"] });
      toast(w.events.releasedToast);
      onClose();
    });
  return (
    <>
      <p className="quiet">{w.events.mendHint}</p>
      <textarea className="input mono" rows={14} aria-label={w.events.mendTitle} spellCheck={false} value={now} onChange={(change) => setNow(change.target.value)} />
      {wrong && (
        <p className="note" role="status">
          {wrong}
        </p>
      )}
      {verdict && (
        <p className="note" role="alert">
          {w.events.stillRefused} <strong>{verdict.reason}</strong> {verdict.detail}
        </p>
      )}
      {error !== null && <Trouble error={error} />}
      <div className="row">
        <Button look="main" disabled={busy || wrong !== ""} onClick={() => void release()}>
          {w.events.release}
        </Button>
        <Button onClick={onClose}>{w.common.cancel}</Button>
      </div>
    </>
  );
}
