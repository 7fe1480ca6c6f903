/** Events as they come. */

import { useEffect, useState } from "react";
import { usePerson } from "../lib/session";
import { Badge, Button, Choice, Empty, Field, Text, useResting } from "../parts/basics";
import { count, zone } from "../lib/format";
import { words as w } from "../words";

interface LiveEvent {
  seq: number;
  received_at: number;
  source: string;
  verdict: "accepted" | "rejected";
  reason?: string;
  detail?: string;
  type?: string;
  event?: string;
  user_id?: string;
  anonymous_id?: string;
  raw: string;
}

/** Events that are shown at most. */
const SHOWN = 200;

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", timeZone: zone });

function pretty(raw: string): string {
  try {
    return JSON.stringify(JSON.parse(raw), null, 2);
  } catch {
    return raw;
  }
}

export function Live() {
  const person = usePerson();
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const [missed, setMissed] = useState(0);
  const [paused, setPaused] = useState(false);
  const [verdict, setVerdict] = useState("");
  const [event, setEvent] = useState("");
  const wanted = useResting(event, 300);
  const may = person.may.manage_sources;
  useEffect(() => {
    if (!may || paused) return;
    const search = new URLSearchParams();
    if (verdict) search.set("verdict", verdict);
    if (wanted) search.set("event", wanted);
    const source = new EventSource(`/api/v1/tail?${search}`);
    let waiting: LiveEvent[] = [];
    // A stream may bring thousands a second: the page is drawn a few times.
    const timer = setInterval(() => {
      if (waiting.length === 0) return;
      const more = waiting.reverse();
      waiting = [];
      setEvents((now) => [...more, ...now].slice(0, SHOWN));
    }, 250);
    source.addEventListener("event", (message) => {
      waiting.push(JSON.parse((message as MessageEvent<string>).data) as LiveEvent);
      if (waiting.length > SHOWN) waiting = waiting.slice(-SHOWN);
    });
    source.addEventListener("missed", (message) => setMissed((n) => n + Number((message as MessageEvent<string>).data)));
    return () => {
      clearInterval(timer);
      source.close();
    };
  }, [may, paused, verdict, wanted]);
  if (!may) return <Empty title={w.events.live}>{w.events.liveDenied}</Empty>;
  return (
    <div className="stack">
      <div className="row wrap ends">
        <Field label={w.events.name}>
          <Text placeholder={w.events.anyEvent} value={event} onChange={(change) => setEvent(change.target.value)} />
        </Field>
        <Field label={w.events.fate}>
          <Choice
            value={verdict}
            options={[
              ["", w.common.all],
              ["accepted", w.events.accepted],
              ["rejected", w.events.rejected],
            ]}
            onChange={setVerdict}
          />
        </Field>
        <Button aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? w.events.resume : w.events.pause}
        </Button>
        {missed > 0 && <span className="quiet small">{w.events.missed(count(missed))}</span>}
      </div>
      {events.length === 0 ? (
        <Empty title={w.events.live}>{w.events.liveEmpty}</Empty>
      ) : (
        <div className="card livelist" role="log" aria-label={w.events.live}>
          {events.map((one) => (
            <details key={one.seq}>
              <summary>
                <span className="quiet">{time.format(one.received_at / 1000)}</span>
                <span className="clip">{one.source}</span>
                <span className="clip">{one.event ?? one.type}</span>
                <span className="clip quiet">{one.user_id ?? one.anonymous_id}</span>
                <Badge look={one.verdict === "rejected" ? "bad" : "good"}>{one.verdict === "rejected" ? (one.reason ?? w.events.rejected) : w.events.accepted}</Badge>
              </summary>
              <pre>{pretty(one.raw)}</pre>
            </details>
          ))}
        </div>
      )}
    </div>
  );
}
