/** How old an answer is. */

import { useClock } from "../lib/clock";
import { ago } from "../lib/format";
import { words as w } from "../words";

/** It moves on while one looks, and never says that an answer is of the future: clocks differ. */
export function AsOf({ at }: { at: string }) {
  return w.dashboards.asOf(ago(at, Math.max(useClock(), Date.parse(at))));
}
