/** What is around every page: the rail, the bar, search. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Component, lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { ApiError, failure, UNREACHABLE } from "./lib/api";
import { duration } from "./lib/format";
import { Link, usePlace } from "./lib/router";
import { useSession, usePerson } from "./lib/session";
import { Button, Menu, Trouble } from "./parts/basics";
import { Icon, type IconName } from "./parts/icons";
import { Toasts } from "./parts/toasts";
import { navigate } from "./lib/router";
import { words as w } from "./words";

const Palette = lazy(() => import("./pages/palette"));

export const PAGES: readonly (readonly [path: string, icon: IconName, name: string])[] = [
  ["/", "home", w.nav.home],
  ["/ask", "ask", w.nav.ask],
  ["/questions", "questions", w.nav.questions],
  ["/dashboards", "dashboards", w.nav.dashboards],
  ["/data", "data", w.nav.data],
  ["/events", "events", w.nav.events],
  ["/sources", "sources", w.nav.sources],
  ["/models", "models", w.nav.models],
  ["/runs", "runs", w.nav.runs],
  ["/usage", "usage", w.nav.usage],
  ["/settings", "settings", w.nav.settings],
];

/** Which entry of the rail a page belongs to. */
function section(path: string): string {
  const first = `/${path.split("/")[1] ?? ""}`;
  if (first === "/q" || first === "/r" || first === "/build") return "/questions";
  if (first === "/d") return "/dashboards";
  return first;
}

/** Seconds that rows wait for their files before it is said: what is written in time waits less than half of it. */
const BEHIND = 60;

/** Told to the window when somebody answers again. */
const BACK = "weir:back";

/** How far reading is behind: asked often, drawn small. */
function Pulse() {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({
    queryKey: ["pulse"],
    queryFn: async ({ signal }) => {
      const response = await fetch("/health/ready", { signal, headers: { accept: "application/json" } });
      if (!response.ok) throw await failure(response);
      return (await response.json()) as { status: string; oldest_uncommitted_seconds?: number };
    },
    refetchInterval: ({ state }) => (state.error ? 2_000 : 10_000),
    retry: false,
  });
  // A page that was not answered knows it first.
  useEffect(() => {
    const again = () => void refetch();
    addEventListener(UNREACHABLE, again);
    return () => removeEventListener(UNREACHABLE, again);
  }, [refetch]);
  const away = useRef(false);
  useEffect(() => {
    // Who is back is asked again for what was not answered.
    if (away.current && error === null) {
      dispatchEvent(new Event(BACK));
      void queries.refetchQueries({ type: "active", predicate: ({ state }) => state.status === "error" });
    }
    away.current = error !== null;
  }, [error, queries]);
  const waits = data?.oldest_uncommitted_seconds ?? 0;
  const behind = error === null && waits >= BEHIND;
  const late = error !== null || behind;
  return (
    <span className={`pulse ${late ? "late" : ""}`} title={w.pulse.why} role="status">
      <i aria-hidden="true" />
      <span className="word">{error ? w.pulse.unknown : behind ? w.pulse.behind(duration(Math.round(waits) * 1000)) : data ? w.pulse.live : ""}</span>
    </span>
  );
}

export function Frame({ children }: { children: ReactNode }) {
  const { path } = usePlace();
  const { signOut } = useSession();
  const person = usePerson();
  const [narrow, setNarrow] = useState(() => localStorage.getItem("weir:rail") === "narrow");
  const [finding, setFinding] = useState(false);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setFinding(true);
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  const fold = () => {
    localStorage.setItem("weir:rail", narrow ? "wide" : "narrow");
    setNarrow(!narrow);
  };
  const here = section(path);
  const rail = useRef<HTMLElement>(null);
  // On a phone the rail is wider than the screen: the page one is on is in view.
  useEffect(() => {
    const on = rail.current?.querySelector<HTMLElement>("[aria-current]");
    if (rail.current && on) rail.current.scrollLeft = on.offsetLeft - (rail.current.clientWidth - on.clientWidth) / 2;
  }, [here]);
  return (
    <div className={`frame ${narrow ? "narrow" : ""}`}>
      <a className="skip" href="#page">
        {w.nav.skip}
      </a>
      <nav className="rail" aria-label={w.nav.main} ref={rail}>
        <Link className="mark" href="/" aria-label={w.app}>
          <img src="/weir.svg" alt="" width="20" height="20" />
          <span className="word">{w.app}</span>
        </Link>
        {PAGES.map(([to, icon, name]) => (
          <Link key={to} href={to} aria-current={here === to ? "page" : undefined} title={narrow ? name : undefined}>
            <Icon name={icon} />
            <span className="word">{name}</span>
            {narrow && <span className="hidden">{name}</span>}
          </Link>
        ))}
        <span className="grow" />
        <button type="button" className="fold" onClick={fold} aria-label={narrow ? w.nav.expand : w.nav.collapse}>
          <Icon name={narrow ? "unfold" : "fold"} />
        </button>
      </nav>
      <header className="bar">
        <Button className="find" onClick={() => setFinding(true)}>
          <span className="row">
            <Icon name="search" size={15} />
            <span className="word">{w.palette.open}</span>
          </span>
          <kbd>{w.palette.key}</kbd>
        </Button>
        <Pulse />
        <Menu
          label={person.name}
          look="plain"
          items={[
            { text: w.nav.settings, hint: person.roles.join(", "), act: () => navigate("/settings") },
            { text: w.session.signOut, act: () => void signOut() },
          ]}
        />
      </header>
      <Fence key={here}>{children}</Fence>
      {finding && (
        <Suspense fallback={null}>
          <Palette onClose={() => setFinding(false)} />
        </Suspense>
      )}
      <Toasts />
    </div>
  );
}

/** Whether a part of the application did not come: the server is away, or a newer one has no such part. */
const unloaded = (error: Error) => /dynamically imported module|module script failed|preload CSS/i.test(error.message);

/** A page that breaks leaves the frame standing. */
class Fence extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override componentDidCatch(error: Error) {
    if (unloaded(error)) dispatchEvent(new Event(UNREACHABLE));
  }
  // A page that did not come holds nothing that loading it once more would lose.
  private readonly again = () => {
    if (this.state.error && unloaded(this.state.error)) location.reload();
  };
  override componentDidMount() {
    addEventListener(BACK, this.again);
  }
  override componentWillUnmount() {
    removeEventListener(BACK, this.again);
  }
  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <main className="page" id="page">
        <div className="stack">
          <h1>{unloaded(error) ? w.failure.unloaded : w.failure.crashed}</h1>
          <Trouble error={unloaded(error) ? new ApiError(0, "unreachable", w.failure.unloadedWhy, undefined) : error} retry={() => location.reload()} />
        </div>
      </main>
    );
  }
}
