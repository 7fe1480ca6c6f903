/**
 * Ranges of days that a filter says: `last_28_days`, or one day to another. Those that are relative stay so
 * in addresses and files. The server reads the same texts for mails and other sites
 * (`weir-serve/src/documents/range.rs`).
 */

import { zone } from "../lib/format";

export const RANGES = ["today", "yesterday", "last_7_days", "last_28_days", "last_90_days", "this_week", "this_month", "last_month", "this_quarter", "this_year"] as const;

/** From which day to before which, as `2026-01-31`; null on a side that is open. */
export interface Days {
  from: string | null;
  to: string | null;
}

const DAY = 86_400_000;
/** The most days of `last_N_days`. */
const MOST_DAYS = 36_500;

/** A day of the calendar as a moment; null for what is none. */
function day(text: string): number | null {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // February has no 30th: some readers would take it for one of March.
  return Number.isNaN(ms) || write(ms) !== text ? null : ms;
}

const write = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** Returns a day so many days later. */
export const later = (text: string, days: number): string => write((day(text) ?? 0) + days * DAY);

/** Returns the day it is where times are shown for. */
export function today(now = new Date(), timeZone = zone): string {
  const parts = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "2-digit", day: "2-digit", timeZone }).formatToParts(now);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** Returns the days of a text as it is on a day; null for a text that is no range. */
export function daysOf(text: string, now: string): Days | null {
  const [first, last, ...more] = text.split("..");
  if (first !== undefined && last !== undefined && more.length === 0) return between(first, last);
  const date = new Date(day(now) ?? 0);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const months = (at: number, count: number): Days => ({ from: write(Date.UTC(year, at, 1)), to: write(Date.UTC(year, at + count, 1)) });
  switch (text) {
    case "today":
      return { from: now, to: later(now, 1) };
    case "yesterday":
      return { from: later(now, -1), to: now };
    case "this_week": {
      // Weeks begin on Mondays, as in SQL.
      const monday = later(now, -((date.getUTCDay() + 6) % 7));
      return { from: monday, to: later(monday, 7) };
    }
    case "this_month":
      return months(month, 1);
    case "last_month":
      return months(month - 1, 1);
    case "this_quarter":
      return months(month - (month % 3), 3);
    case "this_year":
      return months(0, 12);
  }
  const count = Number(/^last_(\d{1,5})_days$/.exec(text)?.[1] ?? 0);
  // Today is the last of them.
  return count >= 1 && count <= MOST_DAYS ? { from: later(now, 1 - count), to: later(now, 1) } : null;
}

function between(first: string, last: string): Days | null {
  const [from, to] = [day(first), day(last)];
  if ((first !== "" && from === null) || (last !== "" && to === null)) return null;
  if ((from === null && to === null) || (from !== null && to !== null && from > to)) return null;
  return { from: from === null ? null : first, to: to === null ? null : later(last, 1) };
}

/** Writes a range between days, in whichever order they are given; the last is part of it. */
export function rangeText(first: string, last: string): string {
  return first !== "" && last !== "" && first > last ? `${last}..${first}` : `${first}..${last}`;
}
