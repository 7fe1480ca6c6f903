/** Roles, who has them, and what roles and people may: given and taken by owners and admins. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { quotedTable, quoted } from "../lib/sqltext";
import { Badge, Button, Choice, Dialog, Field, Loaded, Said, Text, Trouble, useAct } from "../parts/basics";
import { List } from "../parts/list";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { useTables } from "./data";

interface Member {
  name: string;
  roles: string[];
}

export interface Grant {
  grantee: string;
  schema: string;
  /** The whole schema without one. */
  table?: string;
  privileges: string[];
}

const BUILT_IN = Object.keys(w.settings.roleHints);

/** What can be given on a schema, and on a table. */
const ON_SCHEMA = ["select", "insert", "update", "delete", "create", "usage"] as const;
const ON_TABLE = ["select", "insert", "update", "delete"] as const;

const objectOf = (grant: Grant) => (grant.table === undefined ? quoted(grant.schema) : quotedTable(grant.schema, grant.table));

export function Roles() {
  const queries = useQueryClient();
  const access = useQuery({
    queryKey: ["access"],
    queryFn: async ({ signal }) => {
      const [roles, users, grants] = await Promise.all([
        get<{ roles: string[] }>("/api/v1/roles", signal),
        get<{ users: Member[] }>("/api/v1/users", signal),
        get<{ grants: Grant[] }>("/api/v1/grants", signal),
      ]);
      return { ...roles, ...users, ...grants };
    },
  });
  const [, act, error] = useAct();
  const [removing, setRemoving] = useState<string | null>(null);
  const changed = () => Promise.all(["access", "roles", "users"].map((key) => queries.invalidateQueries({ queryKey: [key] })));
  const change = (method: string, address: string, body?: unknown, after?: () => void) =>
    act(async () => {
      await api(method, address, body);
      await changed();
      after?.();
    });
  return (
    <Loaded of={access}>
      {({ roles, users, grants }) => {
        const membership = (user: string, role: string, has: boolean) => void change(has ? "DELETE" : "PUT", path`/api/v1/users/${user}/roles/${role}`);
        const revoke = (grant: Grant) =>
          void change("POST", "/api/v1/grants/revoke", grant, () =>
            toast(w.roles.revoked(grant.grantee, objectOf(grant)), { text: w.common.undo, act: () => void change("POST", "/api/v1/grants", grant) }),
          );
        return (
          <div className="stack">
            {error !== null && <Trouble error={error} />}
            <NewRole known={[...roles, ...users.map((user) => user.name)]} onMade={changed} />
            <List
              card
              label={w.settings.roles}
              rows={roles}
              keyOf={(role) => role}
              columns={[
                {
                  head: w.settings.role,
                  cell: (role) => (
                    <>
                      {role} {BUILT_IN.includes(role) && <Badge>{w.roles.builtIn}</Badge>}
                      <div className="quiet small"><Said text={(w.settings.roleHints as Record<string, string>)[role] ?? w.roles.ownHint} /></div>
                    </>
                  ),
                },
                { head: w.roles.members, cell: (role) => <Members role={role} users={users} onChange={membership} /> },
                { head: w.roles.grants, number: true, cell: (role) => grants.filter((grant) => grant.grantee === role).length || "" },
                { head: w.common.edit, quiet: true, cell: (role) => !BUILT_IN.includes(role) && <Button aria-label={`${w.common.remove}: ${role}`} onClick={() => setRemoving(role)}>{w.common.remove}</Button> },
              ]}
            />
            <h2>{w.roles.grants}</h2>
            <p className="quiet">{w.roles.grantsHint}</p>
            <Give grantees={[...roles, ...users.map((user) => user.name)]} onGiven={changed} />
            {grants.length === 0 ? (
              <p className="quiet">{w.roles.noGrants}</p>
            ) : (
              <List
                card
                label={w.roles.grants}
                rows={grants}
                keyOf={(grant) => JSON.stringify([grant.grantee, grant.schema, grant.table])}
                columns={[
                  { head: w.roles.to, cell: (grant) => <>{grant.grantee} {roles.includes(grant.grantee) && <Badge>{w.roles.role}</Badge>}</> },
                  { head: w.roles.on, cell: (grant) => <><code>{objectOf(grant)}</code> {grant.table === undefined && <span className="quiet small">{w.roles.allTables}</span>}</> },
                  { head: w.roles.may, cell: (grant) => grant.privileges.join(", ") },
                  { head: w.common.edit, quiet: true, cell: (grant) => <Button aria-label={w.roles.revokeOf(grant.grantee, objectOf(grant))} onClick={() => revoke(grant)}>{w.settings.revoke}</Button> },
                ]}
              />
            )}
            {removing !== null && (
              <Dialog title={w.roles.removeTitle(removing)} onClose={() => setRemoving(null)}>
                <div className="stack">
                  <p>{w.roles.removeHint(users.filter((user) => user.roles.includes(removing)).length, grants.filter((grant) => grant.grantee === removing).length)}</p>
                  <div className="row">
                    <Button
                      look="danger"
                      onClick={() => {
                        setRemoving(null);
                        void change("DELETE", path`/api/v1/roles/${removing}`);
                      }}
                    >
                      {w.common.remove}
                    </Button>
                    <Button onClick={() => setRemoving(null)}>{w.common.cancel}</Button>
                  </div>
                </div>
              </Dialog>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}

function Members({ role, users, onChange }: { role: string; users: Member[]; onChange(user: string, role: string, has: boolean): void }) {
  const having = users.filter((user) => user.roles.includes(role));
  const others = users.filter((user) => !user.roles.includes(role));
  return (
    <div className="row wrap">
      {having.map((user) => (
        <Button key={user.name} look="plain" title={w.settings.takeRole(role)} aria-label={w.roles.take(role, user.name)} onClick={() => onChange(user.name, role, true)}>
          {user.name} ×
        </Button>
      ))}
      {others.length > 0 && (
        <Choice label={w.roles.giveTo(role)} value="" options={[["", w.roles.give], ...others.map((user) => [user.name, user.name] as const)]} onChange={(user) => user && onChange(user, role, false)} />
      )}
    </div>
  );
}

function NewRole({ known, onMade }: { known: string[]; onMade(): Promise<unknown> }) {
  const [name, setName] = useState("");
  const [busy, act, error] = useAct();
  const taken = known.includes(name.trim());
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      await api("POST", "/api/v1/roles", { name: name.trim() });
      setName("");
      await onMade();
    });
  };
  return (
    <form className="card stack" onSubmit={make}>
      <div className="row wrap" style={{ alignItems: "end" }}>
        <Field label={w.roles.newName}>
          <Text required value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Button look="main" type="submit" disabled={busy || name.trim() === ""} why={taken && w.roles.taken(name.trim())}>
          {w.roles.make}
        </Button>
      </div>
      <p className="quiet small">{w.roles.makeHint}</p>
      {error !== null && <Trouble error={error} />}
    </form>
  );
}

function Give({ grantees, onGiven }: { grantees: string[]; onGiven(): Promise<unknown> }) {
  const tables = useTables();
  const [to, setTo] = useState("");
  const [schema, setSchema] = useState("");
  const [table, setTable] = useState("");
  const [privileges, setPrivileges] = useState<string[]>(["select"]);
  const [busy, act, error] = useAct();
  const all = tables.data ?? [];
  const schemas = [...new Set(all.map((one) => one.schema_name))].filter((one) => !["weir", "pg_catalog", "information_schema"].includes(one));
  const offered: readonly string[] = table ? ON_TABLE : ON_SCHEMA;
  const chosen = privileges.filter((one) => offered.includes(one));
  const why = !to ? w.roles.chooseTo : !schema ? w.roles.chooseOn : chosen.length === 0 ? w.roles.chooseMay : null;
  const give = (event: FormEvent) => {
    event.preventDefault();
    if (why) return;
    void act(async () => {
      await api("POST", "/api/v1/grants", { grantee: to, schema, ...(table ? { table } : {}), privileges: chosen });
      await onGiven();
      toast(w.roles.given(to));
    });
  };
  return (
    <form className="card stack" aria-label={w.roles.giveRight} onSubmit={give}>
      <div className="row wrap" style={{ alignItems: "end" }}>
        <Field label={w.roles.to}>
          <Choice value={to} options={[["", ""], ...[...new Set(grantees)].map((one) => [one, one] as const)]} onChange={setTo} />
        </Field>
        <Field label={w.data.schema}>
          <Choice
            value={schema}
            options={[["", ""], ...schemas.map((one) => [one, one] as const)]}
            onChange={(next) => {
              setSchema(next);
              setTable("");
            }}
          />
        </Field>
        <Field label={w.data.table}>
          <Choice value={table} options={[["", w.roles.allTables], ...all.filter((one) => one.schema_name === schema).map((one) => [one.table_name, one.table_name] as const)]} onChange={setTable} />
        </Field>
        <fieldset className="field" style={{ border: 0, padding: 0, margin: 0 }}>
          <legend className="legend">{w.roles.may}</legend>
          <div className="row wrap">
            {offered.map((one) => (
              <label key={one} className="check">
                <input type="checkbox" checked={privileges.includes(one)} onChange={(event) => setPrivileges(event.target.checked ? [...privileges, one] : privileges.filter((other) => other !== one))} />
                {one}
              </label>
            ))}
          </div>
        </fieldset>
        <Button type="submit" why={why} disabled={busy}>
          {w.roles.giveRight}
        </Button>
      </div>
      {error !== null && <Trouble error={error} />}
    </form>
  );
}
