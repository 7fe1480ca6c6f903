/** Time along an axis: how long its periods are, which are missing, and whether the last is over. */

import { isTime } from "../lib/format";
import type { Cell } from "../lib/rows";
import { momentOf, wallOf, zone as viewers } from "../lib/zone";

export type Period = "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year";

const MINUTE = 60_000;
const DAY = 86_400_000;

/** Whether values of a type are moments that look different in each zone. */
export const isZoned = (type: string) => type === "timestamptz" || type === "timestamp with time zone";

/** Reads a place as milliseconds; times without a zone as if they were UTC. Null for what is no time. */
export function instantOf(place: Cell, type: string): number | null {
  if (typeof place !== "string" || !isTime(type)) return null;
  const text = place.includes("T") || place.includes(" ") ? place.replace(" ", "T") : `${place}T00:00:00`;
  const ms = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(ms) ? null : ms;
}

/** A place of time on the clock that it is told by: the viewer's for moments, its own for others. */
export function wallAt(place: Cell, type: string): number | null {
  const ms = instantOf(place, type);
  return ms === null || !isZoned(type) ? ms : wallOf(ms, viewers);
}

/** Adds a period to a moment, by the calendar. */
export function next(ms: number, period: Period): number {
  const date = new Date(ms);
  const months = { month: 1, quarter: 3, year: 12 }[period as "month"];
  if (months) {
    date.setUTCMonth(date.getUTCMonth() + months);
    return date.getTime();
  }
  return ms + ({ minute: MINUTE, hour: 60 * MINUTE, day: DAY, week: 7 * DAY }[period as "day"] ?? DAY);
}

/** Finds the period that moments begin, if they all begin one; of a single moment none is known. */
export function periodOf(moments: number[]): Period | null {
  if (moments.length < 2) return null;
  const gaps = moments.slice(1).map((ms, i) => ms - (moments[i] ?? 0));
  const least = Math.min(...gaps);
  const every = (size: number) => gaps.every((gap) => Math.abs(gap % size) < 1 || Math.abs(gap % size) > size - 1);
  // A day of 23 or 25 hours is one as well: the clocks of those who divided it may have changed.
  const days = gaps.every((gap) => gap >= 0.9 * DAY && Math.abs(gap / DAY - Math.round(gap / DAY)) < 0.05);
  const date = moments.map((ms) => new Date(ms));
  const firsts = date.every((one) => new Date(one.getTime() + 14 * 60 * MINUTE).getUTCDate() === 1 || one.getUTCDate() === 1);
  if (firsts && least >= 28 * DAY) {
    if (least >= 365 * DAY) return "year";
    return least >= 89 * DAY ? "quarter" : "month";
  }
  if (days && gaps.every((gap) => Math.round(gap / DAY) % 7 === 0)) return "week";
  if (days) return "day";
  if (every(60 * MINUTE)) return "hour";
  return every(MINUTE) ? "minute" : null;
}

/** How many periods lie between two moments, about. */
const periodsBetween = (from: number, to: number, period: Period) => (to - from) / (next(0, period) - 0);

/** Places on an axis that are filled up at most. */
const MOST = 2_000;

export interface Timeline {
  period: Period | null;
  /** The places with those that are missing between them. */
  places: Cell[];
  /** By place, which of the given ones it is; -1 for one that was missing. */
  from: number[];
  /** Whether the last period was not over when the answer was made. */
  open: boolean;
  /** On whose clocks places are written; null for days and times that are nobody's in particular. */
  zone: string | null;
  /** Whether its places are of several years, which must be told. */
  years: boolean;
}

const isMidnight = (wall: number) => wall % DAY === 0;

/**
 * Finds the clocks by which moments begin days: the viewer's, else UTC, by which the server cuts days
 * unless it is told otherwise. A day that began in UTC must not be called the day before.
 */
function clocksOf(moments: number[], zone: string): { zone: string; walls: number[] } {
  for (const name of [zone, "UTC"]) {
    const walls = moments.map((ms) => wallOf(ms, name));
    if (walls.every(isMidnight)) return { zone: name, walls };
  }
  return { zone, walls: moments.map((ms) => wallOf(ms, zone)) };
}

/** Periods that calendars divide: they are counted by clocks that change. */
const isCalendar = (period: Period) => period !== "hour" && period !== "minute";

/** Puts places of time in order, and the missing ones between them. `at` is when the answer was made. */
export function timeline(places: Cell[], type: string, at: number, zone = viewers): Timeline {
  const plain: Timeline = { period: null, places, from: places.map((_, i) => i), open: false, zone: null, years: false };
  const moments = places.map((place) => instantOf(place, type));
  if (moments.length === 0 || moments.some((ms) => ms === null)) return plain;
  const known = moments as number[];
  const clocks = isZoned(type) ? clocksOf(known, zone) : { zone: null, walls: known };
  const period = periodOf(clocks.walls) ?? periodOf(known);
  if (!period) return { ...plain, zone: clocks.zone };
  // Hours are hours, whatever clocks do: one that is skipped or comes twice is no gap.
  const name = clocks.zone !== null && isCalendar(period) ? clocks.zone : null;
  const walls = name ? clocks.walls : known;
  // What has no zone is read as the viewer's clock, and compared with that clock.
  const now = name ? wallOf(at, name) : isZoned(type) ? at : wallOf(at, zone);
  const last = walls.at(-1) ?? 0;
  const open = last <= now && next(last, period) > now;
  const years = new Date(walls[0] ?? 0).getUTCFullYear() !== new Date(last).getUTCFullYear();
  // Few moments of many years, each a day, are no days of which all others are missing.
  const most = Math.max(MOST, 2 * walls.length);
  if (periodsBetween(walls[0] ?? 0, last, period) > most) return { ...plain, open, zone: clocks.zone };
  const filled: Timeline = { period, places: [], from: [], open, zone: clocks.zone, years };
  for (const [i, ms] of walls.entries()) {
    const before = walls[i - 1];
    if (before !== undefined) {
      // Half a period: days of a third zone's clocks come an hour early or late when those change.
      for (let gap = next(before, period); gap < ms - (next(gap, period) - gap) / 2 && filled.places.length < most; gap = next(gap, period)) {
        filled.places.push(isZoned(type) ? new Date(name ? momentOf(gap, name) : gap).toISOString() : new Date(gap).toISOString().slice(0, 19));
        filled.from.push(-1);
      }
    }
    filled.places.push(places[i] ?? null);
    filled.from.push(i);
  }
  return filled;
}

const FORMATS: Record<Period, Intl.DateTimeFormatOptions> = {
  minute: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
  hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
  day: { month: "short", day: "numeric" },
  week: { month: "short", day: "numeric" },
  month: { month: "short", year: "numeric" },
  quarter: { month: "short", year: "numeric" },
  year: { year: "numeric" },
};

const made = new Map<string, Intl.DateTimeFormat>();

/** Writes a place of time for an axis whose periods are known, on the clocks of `zone` where it has any. */
export function periodText(place: Cell, type: string, period: Period, zone: string | null = isZoned(type) ? viewers : null, years = false): string {
  const ms = instantOf(place, type);
  if (ms === null) return String(place ?? "∅");
  const wall = zone === null ? ms : wallOf(ms, zone);
  // A period that other clocks divided is told by when it began: by these clocks it is of two days.
  const shown = zone !== null && isCalendar(period) && !isMidnight(wall) ? "hour" : period;
  if (shown === "quarter") {
    const date = new Date(wall);
    return `Q${Math.floor(date.getUTCMonth() / 3) + 1} ${date.getUTCFullYear()}`;
  }
  const key = `${shown} ${years}`;
  let format = made.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(undefined, { ...FORMATS[shown], ...(years ? { year: "numeric" } : {}), timeZone: "UTC" });
    made.set(key, format);
  }
  return format.format(wall);
}
