/** Time along an axis: how long its periods are, which are missing, and whether the last is over. */

import { isInstant, isTime } from "../lib/format";
import type { Cell } from "../lib/rows";

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
  // A day of 23 or 25 hours is one as well: clocks change.
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
}

/** Puts places of time in order, and the missing ones between them. `at` is when the answer was made. */
export function timeline(places: Cell[], type: string, at: number): Timeline {
  const plain: Timeline = { period: null, places, from: places.map((_, i) => i), open: false };
  const moments = places.map((place) => instantOf(place, type));
  if (moments.length === 0 || moments.some((ms) => ms === null)) return plain;
  const known = moments as number[];
  const period = periodOf(known);
  if (!period) return plain;
  // What has no zone is read as the viewer's clock, and compared with that clock.
  const now = isInstant(type) && isZoned(type) ? at : at - new Date(at).getTimezoneOffset() * MINUTE;
  const last = known.at(-1) ?? 0;
  const open = last <= now && next(last, period) > now;
  const filled: Timeline = { period, places: [], from: [], open };
  for (const [i, ms] of known.entries()) {
    const before = known[i - 1];
    if (before !== undefined && !isZoned(type)) {
      for (let gap = next(before, period); gap < ms - MINUTE && filled.places.length < MOST; gap = next(gap, period)) {
        filled.places.push(new Date(gap).toISOString().slice(0, 19));
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

/** Writes a place of time for an axis whose periods are known. */
export function periodText(place: Cell, type: string, period: Period): string {
  const ms = instantOf(place, type);
  if (ms === null) return String(place ?? "∅");
  const key = `${period}${isZoned(type)}`;
  let format = made.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(undefined, { ...FORMATS[period], timeZone: isZoned(type) ? undefined : "UTC" });
    made.set(key, format);
  }
  if (period === "quarter") {
    const date = new Date(ms);
    return `Q${Math.floor(date.getUTCMonth() / 3) + 1} ${date.getUTCFullYear()}`;
  }
  return format.format(ms);
}
