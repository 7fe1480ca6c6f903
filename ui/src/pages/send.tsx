/** How an event is sent, ready to be copied: with a write key that is made here and now. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../lib/api";
import { usePerson } from "../lib/session";
import { Button, copy, Trouble, useAct } from "../parts/basics";
import { words as w } from "../words";

export function SendSnippet({ source }: { source: string }) {
  const person = usePerson();
  const queries = useQueryClient();
  const [key, setKey] = useState<string | null>(null);
  const [busy, act, error] = useAct();
  const make = () =>
    act(async () => {
      setKey((await api<{ key: string }>("POST", "/api/v1/keys", { source, label: w.events.keyLabel })).key);
      await queries.invalidateQueries({ queryKey: ["keys"] });
    });
  const text = `curl ${location.origin}/v1/track -u ${key ?? "WRITE_KEY"}: \\\n  -H 'content-type: application/json' \\\n  -d '{"userId": "ada", "event": "Signed Up", "properties": {"plan": "free"}}'`;
  return (
    <div className="stack">
      <pre className="code">{text}</pre>
      <div className="row wrap">
        <Button onClick={() => void copy(text)}>{w.common.copy}</Button>
        {key === null ? (
          <Button why={person.may.manage_sources ? null : w.settings.keysDenied} disabled={busy} onClick={() => void make()}>
            {w.events.makeKey}
          </Button>
        ) : (
          <span className="quiet small" role="status">
            {w.events.keyMade(source)}
          </span>
        )}
      </div>
      {error !== null && <Trouble error={error} />}
    </div>
  );
}
