/** Oneself, users, tokens, write keys. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get, path } from "../lib/api";
import { ago } from "../lib/format";
import { setSearch, usePlace } from "../lib/router";
import { type Session, usePerson, useSession } from "../lib/session";
import { setTheme, type Theme, useTheme } from "../lib/theme";
import { chooseZone, chosenZone, isZone, ownZone } from "../lib/zone";
import { Badge, Button, Choice, Dialog, Field, Loaded, Tabs, Text, Trouble, useAct, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { Roles } from "./roles";
import { Keys, Tokens } from "./secrets";

const TABS = [
  ["me", w.settings.me],
  ["users", w.settings.users],
  ["roles", w.settings.roles],
  ["tokens", w.settings.tokens],
  ["keys", w.settings.keys],
] as const;

type Tab = (typeof TABS)[number][0];

export function Settings() {
  const { search } = usePlace();
  const person = usePerson();
  // Rights of others are shown to whoever gives them, and to nobody else.
  const tabs = TABS.filter(([name]) => name !== "roles" || person.may.manage_access);
  const tab = tabs.find(([name]) => name === search.get("tab"))?.[0] ?? "me";
  useTitle(w.settings.title);
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.settings.title}</h1>
      </div>
      <Tabs<Tab> label={w.settings.title} value={tab} tabs={tabs} onChange={(next) => setSearch({ tab: next === "me" ? null : next }, { push: true })} />
      {tab === "me" && <Me />}
      {tab === "users" && <Users />}
      {tab === "roles" && <Roles />}
      {tab === "tokens" && <Tokens />}
      {tab === "keys" && <Keys />}
    </main>
  );
}

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", w.theme.system],
  ["light", w.theme.light],
  ["dark", w.theme.dark],
];

function Me() {
  const person = usePerson();
  const { begin } = useSession();
  const theme = useTheme();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [busy, act, error] = useAct();
  const change = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      begin(await api<Session>("PUT", "/api/v1/session/password", { current, new: next }));
      setCurrent("");
      setNext("");
      toast(w.settings.passwordDone);
    });
  };
  return (
    <div className="cards">
      <section className="card stack">
        <h2>{w.settings.me}</h2>
        <p>{w.session.as(person.name, person.roles.join(", "))}</p>
        <p className="quiet">
          {w.settings.schema}: <code>{person.schema}</code>
        </p>
        <Field label={w.theme.label}>
          <Choice<Theme> value={theme} options={THEMES} onChange={setTheme} />
        </Field>
        <Zone />
      </section>
      <section className="card">
        <form className="stack" onSubmit={change}>
          <h2>{w.settings.password}</h2>
          <input type="text" name="username" autoComplete="username" value={person.name} readOnly hidden />
          <Field label={w.settings.currentPassword}>
            <Text type="password" autoComplete="current-password" required value={current} onChange={(event) => setCurrent(event.target.value)} />
          </Field>
          <Field label={w.settings.newPassword} hint={w.session.passwordHint}>
            <Text type="password" autoComplete="new-password" required value={next} onChange={(event) => setNext(event.target.value)} />
          </Field>
          {error !== null && <Trouble error={error} />}
          <div>
            <Button type="submit" disabled={busy}>
              {w.settings.password}
            </Button>
          </div>
        </form>
      </section>
    </div>
  );
}

/** In which zone moments are shown. The question is asked of the browser: it knows all names. */
function Zone() {
  const [name, setName] = useState(chosenZone() ?? "");
  const good = name === "" || isZone(name);
  const choose = (event: FormEvent) => {
    event.preventDefault();
    if (good) chooseZone(name || null);
  };
  return (
    <form className="stack" onSubmit={choose}>
      <Field label={w.settings.zone} hint={good ? w.settings.zoneHint(ownZone) : w.settings.noZone}>
        <Text list="zones" placeholder={ownZone} value={name} aria-invalid={!good} onChange={(event) => setName(event.target.value.trim())} />
      </Field>
      <datalist id="zones">
        {["UTC", ...Intl.supportedValuesOf("timeZone").filter((one) => one !== "UTC")].map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      {name !== (chosenZone() ?? "") && (
        <div>
          <Button type="submit" why={good ? null : w.settings.noZone}>
            {w.settings.setZone}
          </Button>
        </div>
      )}
    </form>
  );
}

interface User {
  name: string;
  roles: string[];
  schema: string;
  disabled: boolean;
  has_password: boolean;
  created_at: string;
}

function Users() {
  const person = usePerson();
  const queries = useQueryClient();
  const users = useQuery({ queryKey: ["users"], queryFn: async ({ signal }) => (await get<{ users: User[] }>("/api/v1/users", signal)).users });
  const roles = useQuery({ queryKey: ["roles"], queryFn: async ({ signal }) => (await get<{ roles: string[] }>("/api/v1/roles", signal)).roles });
  const [dialog, setDialog] = useState<{ kind: "new" } | { kind: "password"; user: string } | null>(null);
  const [, act, error] = useAct();
  const why = person.may.manage_access ? null : w.settings.usersDenied;
  const change = (method: string, address: string, body?: unknown) =>
    act(async () => {
      await api(method, address, body);
      await queries.invalidateQueries({ queryKey: ["users"] });
    });
  return (
    <div className="stack">
      <div className="row">
        <Button look="main" why={why} onClick={() => setDialog({ kind: "new" })}>
          {w.settings.newUser}
        </Button>
        {why && <span className="quiet">{why}</span>}
      </div>
      {error !== null && <Trouble error={error} />}
      <Loaded of={users}>
        {(all) => (
          <List
            card
            label={w.settings.users}
            rows={all}
            keyOf={(user) => user.name}
            columns={[
              {
                head: w.common.name,
                cell: (user) => (
                  <>
                    {user.name} {user.disabled && <Badge look="warn">{w.settings.disabled}</Badge>} {!user.has_password && <Badge>{w.settings.noPassword}</Badge>}
                  </>
                ),
              },
              {
                head: w.settings.roles,
                cell: (user) => (
                  <div className="row wrap">
                    {(roles.data ?? user.roles).map((role) => {
                      const has = user.roles.includes(role);
                      if (!has && why) return null;
                      const hint = (w.settings.roleHints as Record<string, string>)[role];
                      return (
                        <Button
                          key={role}
                          look="plain"
                          aria-pressed={has}
                          why={why}
                          title={`${has ? w.settings.takeRole(role) : w.settings.addRole(role)}. ${hint ?? ""}`}
                          aria-label={`${user.name}: ${role}`}
                          onClick={() => void change(has ? "DELETE" : "PUT", path`/api/v1/users/${user.name}/roles/${role}`)}
                        >
                          {role}
                        </Button>
                      );
                    })}
                  </div>
                ),
              },
              { head: w.settings.created, cell: (user) => <span className="quiet">{ago(user.created_at)}</span> },
              {
                head: w.common.edit,
                quiet: true,
                cell: (user) => (
                  <div className="row wrap">
                    <Button why={why} onClick={() => setDialog({ kind: "password", user: user.name })}>
                      {w.settings.setPassword}
                    </Button>
                    <Button why={why} onClick={() => void change("PUT", path`/api/v1/users/${user.name}/disabled`, { disabled: !user.disabled })}>
                      {user.disabled ? w.settings.enable : w.settings.disable}
                    </Button>
                  </div>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      {dialog?.kind === "new" && <NewUser roles={roles.data ?? []} onClose={() => setDialog(null)} />}
      {dialog?.kind === "password" && <SetPassword user={dialog.user} onClose={() => setDialog(null)} />}
    </div>
  );
}

function NewUser({ roles, onClose }: { roles: string[]; onClose(): void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const [password, setPassword] = useState("");
  const [busy, act, error] = useAct();
  const make = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      await api("POST", "/api/v1/users", { name, roles: [role], password: password || null });
      await queries.invalidateQueries({ queryKey: ["users"] });
      onClose();
      toast(w.settings.userMade(name));
    });
  };
  return (
    <Dialog title={w.settings.newUser} onClose={onClose}>
      <form className="stack" onSubmit={make}>
        <Field label={w.common.name}>
          <Text required autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label={w.settings.role} hint={(w.settings.roleHints as Record<string, string>)[role]}>
          <Choice value={role} options={roles.map((one) => [one, one] as const)} onChange={setRole} />
        </Field>
        <Field label={w.session.password} hint={w.session.passwordHint}>
          <Text type="password" autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy}>
            {w.settings.newUser}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function SetPassword({ user, onClose }: { user: string; onClose(): void }) {
  const [password, setPassword] = useState("");
  const [busy, act, error] = useAct();
  const set = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      await api("PUT", path`/api/v1/users/${user}/password`, { password });
      onClose();
    });
  };
  return (
    <Dialog title={`${w.settings.setPassword}: ${user}`} onClose={onClose}>
      <form className="stack" onSubmit={set}>
        <Field label={w.settings.newPassword} hint={w.session.passwordHint}>
          <Text type="password" autoComplete="new-password" required autoFocus value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy}>
            {w.common.save}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}
