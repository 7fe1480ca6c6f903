/** Which page an address is. */

import { type ComponentType, lazy, Suspense } from "react";
import { Frame } from "./frame";
import { match, usePlace } from "./lib/router";
import { useSession } from "./lib/session";
import { SetUp, SignIn, SignInAgain } from "./pages/door";
import { Empty, Trouble, Waiting } from "./parts/basics";
import { words as w } from "./words";

type Page = ComponentType<Record<string, string>>;

const page = <Name extends string>(load: () => Promise<Record<Name, ComponentType<never>>>, name: Name): Page =>
  lazy(async () => ({ default: (await load())[name] as unknown as Page }));

const ROUTES: readonly (readonly [string, Page])[] = [
  ["/", page(() => import("./pages/home"), "Home")],
  ["/ask", page(() => import("./pages/ask"), "Ask")],
  ["/build", page(() => import("./pages/builder"), "Builder")],
  ["/questions", page(() => import("./pages/questions"), "Questions")],
  ["/q/:id", page(() => import("./pages/question"), "Question")],
  ["/q/:id/v/:version", page(() => import("./pages/question"), "Question")],
  ["/r/:id", page(() => import("./pages/result"), "Result")],
  ["/r/:id/compare/:other", page(() => import("./pages/compare"), "Compare")],
  ["/dashboards", page(() => import("./pages/dashboards"), "Dashboards")],
  ["/d/:id", page(() => import("./pages/dashboard"), "Dashboard")],
  ["/data", page(() => import("./pages/data"), "Data")],
  ["/data/:schema", page(() => import("./pages/data"), "Data")],
  ["/data/:schema/:table", page(() => import("./pages/table"), "Table")],
  ["/events", page(() => import("./pages/events"), "Events")],
  ["/events/:source/:event", page(() => import("./pages/event"), "Event")],
  ["/sources", page(() => import("./pages/sources"), "Sources")],
  ["/sources/:source", page(() => import("./pages/source"), "Source")],
  ["/models", page(() => import("./pages/models"), "Models")],
  ["/models/:asset", page(() => import("./pages/model"), "Model")],
  ["/runs", page(() => import("./pages/runs"), "Runs")],
  ["/runs/:id", page(() => import("./pages/run"), "Run")],
  ["/usage", page(() => import("./pages/usage"), "Usage")],
  ["/settings", page(() => import("./pages/settings"), "Settings")],
];

function Missing() {
  return (
    <main className="page" id="page">
      <Empty title={w.failure.notFound}>{w.failure.notFoundHint}</Empty>
    </main>
  );
}

export function App() {
  const { session, waiting, error } = useSession();
  const { path } = usePlace();
  if (!session) {
    return <main className="door">{error ? <Trouble error={error} retry={() => location.reload()} /> : <Waiting />}</main>;
  }
  const person = session.user ?? waiting;
  if (!person) return path === "/setup" && session.setup ? <SetUp /> : <SignIn />;
  return (
    <>
      {/* Over the page, which keeps what was typed. */}
      {!session.user && <SignInAgain />}
      <Frame key={person.name}>
        <Shown path={path} />
      </Frame>
    </>
  );
}

function Shown({ path }: { path: string }) {
  for (const [pattern, Page] of ROUTES) {
    const parts = match(pattern, path);
    if (parts) {
      return (
        <Suspense fallback={<main className="page" id="page"><Waiting /></main>}>
          <Page key={pattern + JSON.stringify(parts)} {...parts} />
        </Suspense>
      );
    }
  }
  return <Missing />;
}
