/** Signing in, and the first owner of a new Weir. */

import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "../lib/api";
import { navigate, ownAddress, usePlace } from "../lib/router";
import { type Session, useSession } from "../lib/session";
import { Button, Field, Said, Text, Trouble, useAct, useTitle } from "../parts/basics";
import { words as w } from "../words";

function Mark() {
  return (
    <div className="mark">
      <img src="/weir.svg" alt="" width="28" height="28" /> {w.app}
    </div>
  );
}

export function SignIn() {
  const { begin, waiting, session } = useSession();
  const { path, search, hash } = usePlace();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [busy, act, error] = useAct();
  useTitle(w.session.submit);
  const go = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      const next = await api<Session>("POST", "/api/v1/session", { user, password });
      begin(next);
      if (path === "/sign-in") navigate(ownAddress(search.get("next"), location.origin), { replace: true });
      else if (path === "/setup") navigate("/", { replace: true });
      else navigate(path + (search.size > 0 ? `?${search}` : "") + (hash ? `#${hash}` : ""), { replace: true });
    });
  };
  return (
    <main className="door">
      <form className="card" onSubmit={go}>
        <Mark />
        <h1>{w.session.title}</h1>
        {waiting && <p className="note">{w.session.over}</p>}
        {session?.setup && <p className="note"><Said text={w.session.noOwner} /></p>}
        <Field label={w.session.user}>
          <Text name="username" autoComplete="username" required autoFocus value={user} onChange={(event) => setUser(event.target.value)} />
        </Field>
        <Field label={w.session.password}>
          <Text type="password" name="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        {error !== null && <Trouble error={error} />}
        <Button look="main" type="submit" disabled={busy}>
          {w.session.submit}
        </Button>
        <p className="quiet small">{w.session.tokenHint}</p>
      </form>
    </main>
  );
}

/** Signing in over a page that waits for it: above whatever is open there. */
export function SignInAgain() {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    box.current?.showModal();
  }, []);
  return (
    // Without a session there is nothing to go back to.
    <dialog ref={box} className="again" aria-label={w.session.title} onCancel={(event) => event.preventDefault()} onKeyDown={(event) => event.key === "Escape" && event.preventDefault()}>
      <SignIn />
    </dialog>
  );
}

export function SetUp() {
  const { begin } = useSession();
  const { hash } = usePlace();
  const [user, setUser] = useState("owner");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [busy, act, error] = useAct();
  useTitle(w.session.setupTitle);
  const differ = again !== "" && again !== password;
  const go = (event: FormEvent) => {
    event.preventDefault();
    if (password !== again) return;
    void act(async () => {
      begin(await api<Session>("POST", "/api/v1/setup", { secret: hash, user, password }));
      navigate("/", { replace: true });
    });
  };
  return (
    <main className="door">
      <form className="card" onSubmit={go}>
        <Mark />
        <h1>{w.session.setupTitle}</h1>
        <p>{w.session.setupText}</p>
        {hash === "" && <p className="note"><Said text={w.session.setupLink} /></p>}
        <Field label={w.session.user}>
          <Text name="username" autoComplete="username" required value={user} onChange={(event) => setUser(event.target.value)} />
        </Field>
        <Field label={w.session.password} hint={w.session.passwordHint}>
          <Text type="password" autoComplete="new-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        <Field label={w.session.repeat}>
          <Text type="password" autoComplete="new-password" required value={again} onChange={(event) => setAgain(event.target.value)} />
        </Field>
        {differ && <p className="note">{w.session.differ}</p>}
        {error !== null && <Trouble error={error} />}
        <Button look="main" type="submit" disabled={busy || differ}>
          {w.session.setupSubmit}
        </Button>
      </form>
    </main>
  );
}
