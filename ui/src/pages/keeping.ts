/** Keeps a draft by itself: a second after each change, and at once when one goes elsewhere. */

import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "../lib/api";
import { useResting } from "../parts/basics";

/** How long nothing changes before it is kept. */
const REST = 1_000;

/** How long one waits before it is tried again. */
const AGAIN = 5_000;

interface Keeping<T> {
  /** What is being changed. */
  now: T;
  /** What the server has. */
  from: T;
  /** Whether changes are to be kept at all. */
  wanted: boolean;
  /** Whether the server would take it as it is. */
  whole: boolean;
  keep(it: T): Promise<unknown>;
  /** Called when one is done changing it here, and something was kept. */
  onLeft(): void;
}

export interface Kept {
  /** Whether there are changes that are not kept yet. */
  open: boolean;
  /** Whether something was kept since one began. */
  kept: boolean;
  /** Why the last try failed; null when it did not. */
  error: unknown;
  /** Keeps what there is now; waits for what is being kept. */
  flush(): Promise<void>;
  /** Waits for what is being kept, and keeps nothing more once `work` is done. */
  end(work: () => Promise<unknown>): Promise<void>;
}

/** From when one begins to change something until one goes elsewhere. */
interface Session {
  /** What the server has, or is being told. */
  told: string;
  /** Whether what is changed here was once what the server has: before that, it is of the session before. */
  ready: boolean;
  kept: boolean;
  ended: boolean;
}

const session = (told: string): Session => ({ told, ready: false, kept: false, ended: false });

export function useKeeping<T>({ now, from, wanted, whole, keep, onLeft }: Keeping<T>): Kept {
  const text = JSON.stringify(now);
  const begun = JSON.stringify(from);
  const [state, setState] = useState<{ text: string | null; error: unknown }>({ text: null, error: null });
  const latest = useRef({ now, text, whole, keep, onLeft });
  latest.current = { now, text, whole, keep, onLeft };
  const current = useRef(session(begun));
  // Requests go one after another: an earlier state must not arrive last.
  const line = useRef<Promise<void>>(Promise.resolve());

  const flush = useCallback((): Promise<void> => {
    const own = current.current;
    const going = line.current.then(async () => {
      const one = latest.current;
      if (own !== current.current || !own.ready || own.ended || one.text === own.told) return;
      const before = own.told;
      own.told = one.text;
      try {
        await one.keep(one.now);
        own.kept = true;
        if (own === current.current) setState({ text: one.text, error: null });
      } catch (error) {
        own.told = before;
        if (own === current.current) setState((last) => ({ ...last, error }));
        throw error;
      }
    });
    line.current = going.catch(() => {});
    return going;
  }, []);
  const end = useCallback(async (work: () => Promise<unknown>) => {
    await line.current;
    const own = current.current;
    own.ended = true;
    try {
      await work();
    } catch (error) {
      own.ended = false;
      throw error;
    }
  }, []);

  useEffect(() => {
    const own = session(begun);
    current.current = own;
    setState({ text: null, error: null });
    if (!wanted) return;
    return () => {
      // What there is as one leaves: what is drawn next has what is published again.
      const { now, text, whole, keep, onLeft } = latest.current;
      const last = line.current.then(async () => {
        if (own.ready && !own.ended && whole && text !== own.told) {
          await keep(now);
          own.kept = true;
        }
        if (own.kept) onLeft();
      });
      line.current = last.catch(() => {});
    };
  }, [begun, wanted]);
  useEffect(() => {
    if (text === current.current.told) current.current.ready = true;
  }, [text, begun, wanted]);
  const rested = useResting(text, REST);
  useEffect(() => {
    const own = current.current;
    if (wanted && whole && own.ready && rested === latest.current.text && rested !== own.told) flush().catch(() => {});
  }, [wanted, whole, rested, flush]);
  // What was not kept because nobody answered, or the session was over, is kept as soon as that is better.
  useEffect(() => {
    if (!wanted || !(state.error instanceof ApiError) || ![0, 401, 429, 503].includes(state.error.status)) return;
    const again = setInterval(() => {
      if (latest.current.whole) flush().catch(() => {});
    }, AGAIN);
    return () => clearInterval(again);
  }, [wanted, state.error, flush]);
  return { open: wanted && current.current.ready && text !== (state.text ?? begun), kept: state.text !== null, error: state.error, flush, end };
}
