/** Who looks at the pages. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { api, get, setSession } from "./api";

export interface May {
  manage_access: boolean;
  manage_sources: boolean;
  operate: boolean;
  admin: boolean;
  create: boolean;
}

export interface Person {
  name: string;
  roles: string[];
  schema: string;
  csrf: string;
  may: May;
}

export interface Session {
  user: Person | null;
  setup: boolean;
  version: string;
}

interface Known {
  session: Session | undefined;
  error: Error | null;
  /** Whether somebody was signed in on this page, and is no longer. */
  over: boolean;
  /** Whose pages wait, with all that was typed, until they sign in again. */
  waiting: Person | null;
  begin(session: Session): void;
  signOut(): Promise<void>;
}

const isTheirs = (query: { queryKey: readonly unknown[] }) => query.queryKey[0] !== "session";

const Context = createContext<Known | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [over, setOver] = useState(false);
  const { data, error } = useQuery({
    queryKey: ["session"],
    queryFn: () => get<Session>("/api/v1/session"),
    staleTime: 5_000,
    refetchOnWindowFocus: true,
  });
  // Who was signed in last; nobody once they went by themselves.
  const last = useRef<Person | null>(null);
  const user = data?.user ?? null;
  const other = user !== null && last.current !== null && last.current.name !== user.name;
  // Nothing that one person saw is shown to the next, who may have signed in elsewhere in this browser.
  if (other) queries.removeQueries({ predicate: isTheirs });
  if (user) last.current = user;
  const waiting = over && !user ? last.current : null;
  const known = useMemo<Known>(() => {
    const forget = () => queries.removeQueries({ predicate: isTheirs });
    const begin = (session: Session) => {
      setOver(false);
      if (session.user?.name !== last.current?.name) forget();
      queries.setQueryData(["session"], session);
    };
    return {
      session: data,
      error,
      over,
      waiting,
      begin,
      signOut: async () => {
        await api("DELETE", "/api/v1/session");
        last.current = null;
        queries.setQueryData(["session"], { ...(data ?? { setup: false, version: "" }), user: null });
        forget();
      },
    };
  }, [data, error, over, waiting, queries]);
  setSession(user?.csrf ?? "", waiting !== null, () => {
    if (last.current) setOver(true);
    void queries.invalidateQueries({ queryKey: ["session"] });
  });
  useEffect(() => {
    if (data?.user) setOver(false);
  }, [data?.user]);
  const waited = useRef(false);
  useEffect(() => {
    // What failed while nobody was signed in is asked for again.
    if (waited.current && waiting === null) void queries.invalidateQueries({ predicate: isTheirs });
    waited.current = waiting !== null;
  }, [waiting, queries]);
  return <Context.Provider value={known}>{children}</Context.Provider>;
}

export function useSession(): Known {
  const known = useContext(Context);
  if (!known) throw new Error("there is no session around this");
  return known;
}

/** Returns who is signed in; pages are shown to nobody else. */
export function usePerson(): Person {
  const { session, waiting } = useSession();
  const person = session?.user ?? waiting;
  if (!person) throw new Error("nobody is signed in");
  return person;
}
