/** What a filter is set with: a value, a range of days, or any. */

import { ANY, defaultText, ParameterInput } from "../parts/parameter";
import { Button, Choice, Field } from "../parts/basics";
import { words as w } from "../words";
import { type Filter, ownDefault, type Said } from "./board";
import { daysOf, later, RANGES, rangeText, today } from "./board-range";

interface Props {
  filter: Filter;
  value: Said;
  /** What applies when it says nothing: of the filter, else of the questions. */
  defaults?: (string | null)[];
  /** Told "" when it is to say nothing, and null for any. */
  onChange(value: Said): void;
}

export function FilterInput(props: Props) {
  return props.filter.type === "date_range" ? <RangeInput {...props} /> : <ValueInput {...props} />;
}

function ValueInput({ filter, value, defaults = [], onChange }: Props) {
  const { type } = filter;
  if (type === "date_range") return null;
  const name = filter.label || filter.name;
  const any = defaults.length > 0;
  const listed = Boolean(filter.values) || type === "boolean";
  // Inputs of days have no room of their own for words.
  const hint = any && value === "" && !listed && (type === "date" || type === "timestamp") ? defaultText(defaults) : undefined;
  // Whoever empties a field that shows the filter's own default means none, not that default again.
  const change = (text: Said) => onChange(text === "" && !listed && ownDefault(filter) !== "" ? null : text);
  return (
    <>
      <Field label={name} hint={hint}>
        <ParameterInput parameter={{ ...filter, type }} late any={any} value={value} defaults={defaults} onChange={change} />
      </Field>
      {any && !listed && <AnyButton name={name} on={value === null} onChange={onChange} />}
    </>
  );
}

function AnyButton({ name, on, onChange }: { name: string; on: boolean; onChange(value: Said): void }) {
  return (
    <Button look="plain" className="any" aria-label={w.filters.any(name)} aria-pressed={on} onClick={() => onChange(on ? "" : null)}>
      {w.values.pick}
    </Button>
  );
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const moment = (day: string) => new Date(`${day}T00:00:00Z`);

/** Writes which days a range is of, as it is today. */
export function rangeDays(text: string, now = today()): string {
  const found = daysOf(text, now);
  if (!found) return w.filters.noRange(text);
  const { from, to } = found;
  if (from === null) return to === null ? "" : w.filters.until(days.format(moment(later(to, -1))));
  if (to === null) return w.filters.sinceDay(days.format(moment(from)));
  return days.formatRange(moment(from), moment(later(to, -1)));
}

/** Writes a range by its name, where it has one. */
export function rangeName(text: string): string {
  const known = RANGES.find((one) => one === text);
  if (known) return w.filters.ranges[known];
  const count = /^last_(\d+)_days$/.exec(text)?.[1];
  return count ? w.filters.lastDays(Number(count)) : text.includes("..") ? rangeDays(text) : text;
}

type Way = "since" | "between";

function RangeInput({ filter, value, defaults = [], onChange }: Props) {
  const name = filter.label || filter.name;
  const now = today();
  const [first = "", last = ""] = value?.includes("..") ? value.split("..") : [];
  const way: Way | null = value?.includes("..") ? (last === "" ? "since" : "between") : null;
  const known = value === null || value === "" || way !== null || RANGES.some((one) => one === value);
  const pick = (text: string) => {
    if (text !== "since" && text !== "between") return onChange(text === ANY ? null : text);
    // From what is shown now, so that a step further is a small one.
    const shown = daysOf(value || defaults[0] || "last_28_days", now);
    const from = shown?.from ?? later(now, -27);
    onChange(text === "since" ? `${from}..` : rangeText(from, shown?.to ? later(shown.to, -1) : now));
  };
  const options: (readonly [string, string])[] = [
    ["", defaultText(defaults, rangeName)],
    ...(defaults.length > 0 ? [[ANY, w.values.pick] as const] : []),
    ...RANGES.map((one) => [one, w.filters.ranges[one]] as const),
    ...(known || value === null ? [] : [[value, rangeName(value)] as const]),
    ["since", w.filters.since],
    ["between", w.filters.between],
  ];
  const change = (from: Said, to: Said) => {
    const text = rangeText(from ?? "", to ?? "");
    onChange(daysOf(text, now) ? text : "");
  };
  const told = value || (value === "" && defaults.length === 1 ? (defaults[0] ?? "") : "");
  return (
    <>
      <Field label={name} hint={told && way === null ? rangeDays(told, now) : undefined}>
        <Choice value={value === null ? (defaults.length > 0 ? ANY : "") : (way ?? value)} options={options} onChange={pick} />
      </Field>
      {way !== null && (
        <Field label={w.filters.from}>
          <ParameterInput parameter={{ name: `${filter.name} from`, type: "date" }} late value={first} onChange={(day) => change(day, last)} />
        </Field>
      )}
      {way === "between" && (
        <Field label={w.filters.to}>
          <ParameterInput parameter={{ name: `${filter.name} to`, type: "date" }} late value={last} onChange={(day) => change(first, day)} />
        </Field>
      )}
    </>
  );
}
