/** A name for a question put together from parts, out of what it asks. */

import { words as w } from "../words";
import { type Builder, type Filter, isWhole, type Measure } from "./builder";

/** What a name may have at most. */
const LONGEST = 200;

/** Names of the database as people say them. */
const said = (name: string) => name.replaceAll("_", " ").trim() || name;

const listed = (parts: string[]) => new Intl.ListFormat("en", { type: "conjunction" }).format([...new Set(parts)]);

const small = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);

function condition(filter: Filter): string {
  const units = filter.op === "last" ? (w.builder.units[filter.other ?? ""] ?? filter.other) : undefined;
  const values = filter.op === "between" ? `${filter.value} ${w.builder.to} ${filter.other}` : [filter.value, units].filter(Boolean).join(" ");
  return [said(filter.ref.column), w.builder.ops[filter.op], values].filter(Boolean).join(" ");
}

/** Suggests a name: "Count of orders by week". */
export function suggested(builder: Builder): string {
  const table = said(builder.table.table);
  const measure = ({ fn, ref }: Measure) => (fn === "count" || !ref ? w.builder.countOf(table) : `${w.builder.fns[fn] ?? fn} ${said(ref.column)}`);
  const counts = builder.measures.some((one) => one.fn === "count");
  const groups = listed(builder.groups.map((group) => (group.grain ? (w.builder.grains[group.grain] ?? group.grain) : said(group.ref.column))));
  const filters = builder.filters.filter((filter) => isWhole(filter) && filter.op !== "asked").map(condition);
  const numbers = listed(builder.measures.map(measure).map((text, i) => (i === 0 ? text : small(text))));
  // A count names its table already; what else is summed up must say in what.
  const what = numbers ? (counts ? numbers : w.builder.within(numbers, table)) : groups ? w.builder.valuesOf(groups, table) : w.builder.rowsOf(table);
  const whole = [what, numbers && groups ? w.builder.grouped(groups) : "", filters.length > 0 ? w.builder.where(listed(filters)) : ""].filter(Boolean).join(" ");
  if (whole.length <= LONGEST) return whole;
  // As the field counts, and yet never half a letter.
  return `${whole.slice(0, LONGEST - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
