/** The time zone in which moments are shown: the browser's, or one that was chosen; kept in this browser. */

const KEY = "weir:zone";

/** The zone of the machine that the browser runs on. */
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Whether browsers know a zone of this name. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The zone that was chosen; null when it is the browser's. */
export function chosenZone(): string | null {
  const kept = typeof localStorage === "undefined" ? null : localStorage.getItem(KEY);
  return kept !== null && isZone(kept) ? kept : null;
}

/** Keeps the choice. Times that are shown already are written anew with the page. */
export function chooseZone(name: string | null): void {
  if (name === null || name === ownZone) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, name);
  location.reload();
}

/** The zone that everything here is shown in. */
export const zone = chosenZone() ?? ownZone;

const clocks = new Map<string, Intl.DateTimeFormat>();

function clock(name: string): Intl.DateTimeFormat {
  let found = clocks.get(name);
  if (!found) {
    const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" } as const;
    found = new Intl.DateTimeFormat("en-US", { ...parts, era: "short", hourCycle: "h23", timeZone: name });
    clocks.set(name, found);
  }
  return found;
}

/** Returns what a zone's clocks show at a moment, as milliseconds of a clock that never changes. */
export function wallOf(ms: number, name: string): number {
  if (name === "UTC") return ms;
  const shown: Record<string, string> = {};
  for (const { type, value } of clock(name).formatToParts(ms)) shown[type] = value;
  const year = shown.era === "BC" ? 1 - Number(shown.year) : Number(shown.year);
  const date = new Date(0);
  date.setUTCFullYear(year, Number(shown.month) - 1, Number(shown.day));
  date.setUTCHours(Number(shown.hour), Number(shown.minute), Number(shown.second), ((ms % 1000) + 1000) % 1000);
  return date.getTime();
}

const DAY = 86_400_000;

/** Whether a day begins at a moment in UTC, by which the server cuts days, and not in the zone that is shown. */
export const beginsForeignDay = (ms: number) => ms % DAY === 0 && wallOf(ms, zone) % DAY !== 0;

/** Returns the moment at which a zone's clocks show a time; where they skip it, the one just after. */
export function momentOf(wall: number, name: string): number {
  const first = wall - (wallOf(wall, name) - wall);
  const second = first - (wallOf(first, name) - wall);
  return wallOf(second, name) === wall ? second : Math.max(first, second);
}
