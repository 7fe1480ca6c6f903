/** Who looks at the pages. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef } from "react";
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
  /** Whose pages wait, with all that was typed, until they sign in again. */
  waiting: Person | null;
  begin(session: Session): void;
  signOut(): Promise<void>;
}

const isTheirs = (query: { queryKey: readonly unknown[] }) => query.queryKey[0] !== "session";

const SIGNED_OUT = "signed out";

const Context = createContext<Known | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
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
  // However that is found out: by an answer that was refused, or by asking who is signed in.
  const waiting = user ? null : last.current;
  const left = useCallback(() => {
    last.current = null;
    void queries.cancelQueries({ queryKey: ["session"] });
    queries.setQueryData<Session>(["session"], (now) => ({ ...(now ?? { setup: false, version: "" }), user: null }));
    queries.removeQueries({ predicate: isTheirs });
  }, [queries]);
  // Whoever goes by themselves goes in all windows: nothing waits for them there.
  const elsewhere = useRef<BroadcastChannel | null>(null);
  useEffect(() => {
    const channel = new BroadcastChannel("weir:session");
    channel.onmessage = ({ data }) => data === SIGNED_OUT && left();
    elsewhere.current = channel;
    return () => channel.close();
  }, [left]);
  const known = useMemo<Known>(() => {
    const forget = () => queries.removeQueries({ predicate: isTheirs });
    const begin = (session: Session) => {
      if (session.user?.name !== last.current?.name) forget();
      queries.setQueryData(["session"], session);
    };
    return {
      session: data,
      error,
      waiting,
      begin,
      signOut: async () => {
        await api("DELETE", "/api/v1/session");
        elsewhere.current?.postMessage(SIGNED_OUT);
        left();
      },
    };
  }, [data, error, waiting, left, queries]);
  setSession(user?.csrf ?? "", waiting !== null, () => void queries.invalidateQueries({ queryKey: ["session"] }));
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
