/** Who looks at the pages. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
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
  begin(session: Session): void;
  signOut(): Promise<void>;
}

const Context = createContext<Known | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [over, setOver] = useState(false);
  const { data, error } = useQuery({
    queryKey: ["session"],
    queryFn: () => get<Session>("/api/v1/session"),
    staleTime: 60_000,
    refetchOnWindowFocus: true,
  });
  const known = useMemo<Known>(() => {
    // Nothing that one person saw is shown to the next.
    const forget = () => queries.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
    const begin = (session: Session) => {
      setOver(false);
      forget();
      queries.setQueryData(["session"], session);
    };
    return {
      session: data,
      error,
      over,
      begin,
      signOut: async () => {
        await api("DELETE", "/api/v1/session");
        const last = data ?? { setup: false, version: "", user: null };
        queries.setQueryData(["session"], { ...last, user: null });
        forget();
      },
    };
  }, [data, error, over, queries]);
  const csrf = data?.user?.csrf ?? "";
  setSession(csrf, () => {
    setOver(true);
    void queries.invalidateQueries({ queryKey: ["session"] });
  });
  useEffect(() => {
    if (data?.user) setOver(false);
  }, [data?.user]);
  return <Context.Provider value={known}>{children}</Context.Provider>;
}

export function useSession(): Known {
  const known = useContext(Context);
  if (!known) throw new Error("there is no session around this");
  return known;
}

/** Returns who is signed in; pages are shown to nobody else. */
export function usePerson(): Person {
  const person = useSession().session?.user;
  if (!person) throw new Error("nobody is signed in");
  return person;
}
