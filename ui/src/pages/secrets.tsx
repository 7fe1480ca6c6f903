/** Tokens of people and programs, and write keys of sources: shown once, named ever after. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { ago } from "../lib/format";
import { usePerson } from "../lib/session";
import { Badge, Button, copy, Field, Loaded, Text, Trouble, useAct } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";

function Secret({ value }: { value: string }) {
  return (
    <div className="secret" role="status">
      <div className="grow">
        <p>{w.settings.tokenOnce}</p>
        <code>{value}</code>
      </div>
      <Button onClick={() => void copy(value)}>{w.common.copy}</Button>
    </div>
  );
}

function Revoke({ revoked, onRevoke }: { revoked: boolean; onRevoke(): void }) {
  return revoked ? <Badge>{w.settings.revoked}</Badge> : <Button onClick={onRevoke}>{w.settings.revoke}</Button>;
}

interface Token {
  id: number;
  user: string;
  label: string;
  starts_with: string;
  scopes: string[];
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
}

const SCOPES = ["read", "write", "manage"] as const;

export function Tokens() {
  const queries = useQueryClient();
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: async ({ signal }) => (await get<{ tokens: Token[] }>("/api/v1/tokens", signal)).tokens });
  const [label, setLabel] = useState("");
  const [scopes, setScopes] = useState<string[]>(["read"]);
  const [days, setDays] = useState("90");
  const [made, setMade] = useState<string | null>(null);
  const [busy, act, error] = useAct();
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      const answer = await api<{ token: string }>("POST", "/api/v1/tokens", { label, scopes, expires_in_days: days ? Number(days) : null });
      setMade(answer.token);
      setLabel("");
      await queries.invalidateQueries({ queryKey: ["tokens"] });
    });
  };
  const revoke = (id: number) =>
    act(async () => {
      await api("DELETE", path`/api/v1/tokens/${id}`);
      await queries.invalidateQueries({ queryKey: ["tokens"] });
    });
  return (
    <div className="stack">
      <form className="card row wrap" onSubmit={make}>
        <Field label={w.settings.tokenLabel}>
          <Text value={label} onChange={(event) => setLabel(event.target.value)} />
        </Field>
        <fieldset className="field" style={{ border: 0, padding: 0, margin: 0 }}>
          <legend className="legend">{w.settings.tokenScopes}</legend>
          <div className="row">
            {SCOPES.map((scope) => (
              <label key={scope} className="check">
                <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))} />
                {scope}
              </label>
            ))}
          </div>
        </fieldset>
        <Field label={w.settings.days}>
          <Text type="number" min={1} value={days} onChange={(event) => setDays(event.target.value)} />
        </Field>
        <Button look="main" type="submit" disabled={busy || scopes.length === 0}>
          {w.settings.newToken}
        </Button>
      </form>
      {made && <Secret value={made} />}
      {error !== null && <Trouble error={error} />}
      <Loaded of={tokens}>
        {(all) => (
          <List
            card
            label={w.settings.tokens}
            rows={all}
            keyOf={(one) => one.id}
            columns={[
              {
                head: w.settings.tokenLabel,
                cell: (one) => (
                  <>
                    {one.label} <code className="quiet">{one.starts_with}…</code>
                  </>
                ),
              },
              { head: w.usage.user, cell: (one) => one.user },
              { head: w.settings.tokenScopes, cell: (one) => one.scopes.join(", ") },
              { head: w.settings.lastUsed, cell: (one) => (one.last_used_at ? ago(one.last_used_at) : w.settings.never) },
              { head: w.settings.expires, cell: (one) => (one.expires_at ? ago(one.expires_at) : w.settings.forEver) },
              { head: w.settings.revoke, quiet: true, cell: (one) => <Revoke revoked={one.revoked_at !== null} onRevoke={() => void revoke(one.id)} /> },
            ]}
          />
        )}
      </Loaded>
    </div>
  );
}

interface Key {
  id: number;
  source: string;
  prefix: string;
  label: string;
  created_at: string;
  revoked_at: string | null;
}

export function Keys() {
  const person = usePerson();
  if (!person.may.manage_sources) return <p className="quiet">{w.settings.keysDenied}</p>;
  return <AllKeys />;
}

function AllKeys() {
  const queries = useQueryClient();
  const keys = useQuery({ queryKey: ["keys"], queryFn: async ({ signal }) => (await get<{ keys: Key[] }>("/api/v1/keys", signal)).keys });
  const [source, setSource] = useState("");
  const [label, setLabel] = useState("");
  const [made, setMade] = useState<string | null>(null);
  const [busy, act, error] = useAct();
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      const answer = await api<{ key: string }>("POST", "/api/v1/keys", { source, label });
      setMade(answer.key);
      await queries.invalidateQueries({ queryKey: ["keys"] });
    });
  };
  const revoke = (id: number) =>
    act(async () => {
      await api("DELETE", path`/api/v1/keys/${id}`);
      await queries.invalidateQueries({ queryKey: ["keys"] });
    });
  return (
    <div className="stack">
      <form className="card row wrap" onSubmit={make}>
        <Field label={w.settings.keySource}>
          <Text required value={source} onChange={(event) => setSource(event.target.value)} />
        </Field>
        <Field label={w.settings.keyLabel}>
          <Text value={label} onChange={(event) => setLabel(event.target.value)} />
        </Field>
        <Button look="main" type="submit" disabled={busy}>
          {w.settings.newKey}
        </Button>
      </form>
      {made && <Secret value={made} />}
      {error !== null && <Trouble error={error} />}
      <Loaded of={keys}>
        {(all) => (
          <List
            card
            label={w.settings.keys}
            rows={all}
            keyOf={(one) => one.id}
            columns={[
              { head: w.settings.keySource, cell: (one) => one.source },
              {
                head: w.settings.keyLabel,
                cell: (one) => (
                  <>
                    {one.label} <code className="quiet">{one.prefix}…</code>
                  </>
                ),
              },
              { head: w.settings.created, cell: (one) => ago(one.created_at) },
              { head: w.settings.revoke, quiet: true, cell: (one) => <Revoke revoked={one.revoked_at !== null} onRevoke={() => void revoke(one.id)} /> },
            ]}
          />
        )}
      </Loaded>
    </div>
  );
}
