/** What schedules are called that nobody named: those of deliveries and of questions kept as tables. */

import { words as w } from "../words";
import { path } from "./api";
import { useDocuments } from "./documents";
import { type Schedule, useSchedules } from "./runs";

export interface Called {
  /** All of it, where no link stands. */
  text: string;
  /** What comes before the name of what it is about. */
  what?: string;
  about?: { name: string; href: string };
}

interface Named {
  id: string;
  name: string;
}

/** Says what a schedule does; one that somebody named is called by its name. */
export function called(name: string, schedules: readonly Pick<Schedule, "name" | "dashboard">[], dashboards: readonly Named[]): Called {
  const [, kind, rest] = /^(delivery|rollup)\.(.+)$/.exec(name) ?? [];
  const dashboard = schedules.find((one) => one.name === name)?.dashboard;
  if (kind === "delivery" || dashboard) {
    const known = dashboard ? dashboards.find((one) => one.id === dashboard) : undefined;
    if (!known) return { text: w.schedules.deliveryOfSome };
    return { text: `${w.schedules.delivery} ${known.name}`, what: w.schedules.delivery, about: { name: known.name, href: path`/d/${known.id}` } };
  }
  const dot = rest?.indexOf(".") ?? -1;
  if (kind !== "rollup" || rest === undefined || dot < 1) return { text: name };
  const [schema, table] = [rest.slice(0, dot), rest.slice(dot + 1)];
  return { text: `${w.schedules.kept} ${rest}`, what: w.schedules.kept, about: { name: rest, href: path`/data/${schema}/${table}` } };
}

/** Returns what says of each schedule what it does, as far as whoever looks may know. */
export function useCalled(wanted = true): (name: string) => Called {
  const schedules = useSchedules(wanted);
  const dashboards = useDocuments("dashboards");
  return (name) => called(name, schedules.data?.schedules ?? [], dashboards.data ?? []);
}

/** Gives each of several options a text of its own: two deliveries of one dashboard are told apart by number. */
export function apart(options: readonly (readonly [string, string])[]): [string, string][] {
  const seen = new Map<string, number>();
  return options.map(([value, text]) => {
    const n = (seen.get(text) ?? 0) + 1;
    seen.set(text, n);
    return [value, n === 1 ? text : `${text} (${n})`];
  });
}
