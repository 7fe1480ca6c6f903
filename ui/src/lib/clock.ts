/** One clock for all texts that say how long ago something was. */

import { useSyncExternalStore } from "react";

/** Between two of its ticks: nothing that is said of minutes needs more. */
const TICK = 10_000;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = Date.now();

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

/** It runs only while somebody looks at it. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = Date.now();
    timer = setInterval(tick, TICK);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Draws what calls it anew as time passes. */
export const useClock = (): number => useSyncExternalStore(subscribe, () => now);
