/** Numbers, times and sizes as people read them. */

import { beginsForeignDay, zone } from "./zone";

export { zone };

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 6 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
// What axes write: steps of 250 and of 0.002 must not be rounded to each other.
const thousands = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });
const figures = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
const powers = new Intl.NumberFormat(undefined, { notation: "scientific", maximumFractionDigits: 2 });
const tiny = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone: zone });
const dateMinute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: zone });
// A day is nobody's midnight: it is the same day for everybody.
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const count = (value: number) => whole.format(value);

/** Beyond it, and below its inverse, digits are no number any more. */
const VAST = 1e15;

const isVast = (value: number) => Math.abs(value) >= VAST || (value !== 0 && Math.abs(value) < 1 / VAST);

/** Writes a number in little room. */
export const compact = (value: number) => (isVast(value) ? powers : Math.abs(value) < 1000 ? figures : thousands).format(value);

/** Writes a number as exactly as one reads it. */
export function exact(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e21 || (size > 0 && size < 1e-9)) return String(value).replace("e+", "e");
  return (size > 0 && size < 1e-3 ? tiny : number).format(value);
}

export const ratio = (value: number) => percent.format(value);

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let amount = value;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${amount >= 100 || unit === 0 ? whole.format(amount) : short.format(amount)} ${units[unit]}`;
}

export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** Returns how long ago something was, in the largest unit that fits. */
export function ago(instant: string | number | null | undefined, now = Date.now()): string {
  if (instant === null || instant === undefined) return "";
  const then = new Date(instant).getTime();
  if (Number.isNaN(then)) return "";
  const seconds = (then - now) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, "second"],
    [3600, "minute"],
    [86_400, "hour"],
    [2_592_000, "day"],
    [31_536_000, "month"],
    [Number.POSITIVE_INFINITY, "year"],
  ];
  let size = 1;
  for (const [limit, unit] of steps) {
    if (Math.abs(seconds) < limit) return relative.format(Math.round(seconds / size), unit);
    size = limit;
  }
  return "";
}

/** Writes a moment on the viewer's clock, and a day as itself. */
export function moment(instant: string | number): string {
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) return "";
  return (typeof instant === "string" && /^\d{4}-\d{2}-\d{2}$/.test(instant) ? day : dateMinute).format(at);
}

const foreignDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });

/** Writes a moment with the clock of `usual`; one at which a day begins in UTC as that, and not as the evening before. */
export const momentIn = (ms: number, usual: Intl.DateTimeFormat) => (beginsForeignDay(ms) ? `${foreignDay.format(ms)} UTC` : usual.format(ms));

const NUMBERS = new Set(["smallint", "integer", "bigint", "real", "double precision", "numeric", "oid"]);

/** Whether a type's values are numbers; `numeric(10,2)` is one. */
export const isNumber = (type: string) => NUMBERS.has(type.replace(/\(.*/, "").trim());

/** Whether a value among numbers is none one can count with: JSON has no form for these, so they come as text, as PostgreSQL writes them. */
export const isBoundless = (value: unknown): boolean => value === "NaN" || value === "Infinity" || value === "-Infinity";

export const isInstant = (type: string) => type.startsWith("timestamp");

export const isTime = (type: string) => isInstant(type) || type === "date";

/** Writes a decimal of more digits than a number has room for. */
function decimal(value: string): string {
  const [before = "", after = ""] = value.split(".");
  const sign = before.startsWith("-") ? "-" : "";
  const point = number.formatToParts(1.5).find((part) => part.type === "decimal")?.value ?? ".";
  return `${sign}${whole.format(BigInt(before.replace("-", "")))}${point}${after}`;
}

const scaled = new Map<number, Intl.NumberFormat>();

/** Writes a decimal with as many places as its type has: amounts of money stand below each other. */
function money(value: number, type: string): string | null {
  const places = Number(/^numeric\(\d+,(\d+)\)$/.exec(type)?.[1] ?? 0);
  if (places === 0 || places > 4 || Math.abs(value) >= 1e15) return null;
  let format = scaled.get(places);
  if (!format) {
    format = new Intl.NumberFormat(undefined, { minimumFractionDigits: places, maximumFractionDigits: places });
    scaled.set(places, format);
  }
  return format.format(value);
}

/** Writes one value for reading. Times with a zone are shown in the one that was chosen; days and others as they are. */
export function cell(value: unknown, type: string): string {
  if (value === null || value === undefined) return "∅";
  if (typeof value === "number") return money(value, type) ?? exact(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "string") {
    if (isInstant(type) && /[zZ]|[+-]\d\d:?\d\d$/.test(value)) {
      const instant = new Date(value);
      if (!Number.isNaN(instant.getTime())) return momentIn(instant.getTime(), dateTime);
    }
    // Times without a zone are nobody's in particular: as they are, without what says nothing.
    if (isInstant(type)) return value.replace("T", " ").replace(/(:\d\d):00(\.0+)?$/, "$1");
    if (isNumber(type) && /^-?\d+$/.test(value)) return whole.format(BigInt(value));
    if (isNumber(type) && /^-?\d+\.\d+$/.test(value)) return decimal(value);
    return value;
  }
  return JSON.stringify(value);
}

/** Writes one value as it is, for copying. */
export function raw(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
