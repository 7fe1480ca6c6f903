/** A value that somebody chooses: typed, or taken from a list that a query makes. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Parameter } from "../lib/documents";
import { raw } from "../lib/format";
import { OWN } from "../lib/rows";
import { askKept } from "../lib/run";
import { words as w } from "../words";
import { Choice, Text } from "./basics";

/** Values that are offered. */
const OFFERED = 1_000;

/** Inputs fit for a parameter's type. */
export const inputType = (type: Parameter["type"]) => ({ text: "text", number: "number", date: "date", timestamp: "datetime-local", boolean: "text" })[type];

type Props = {
  parameter: Pick<Parameter, "name" | "type" | "values">;
  /** Null is no value, by choice. */
  value: string | null;
  onChange(value: string | null): void;
  /** Whether a typed value is told only when it is done: by Enter, or by going elsewhere. */
  late?: boolean;
  /** What applies when no value is given, where that is not any: null among several is any. */
  defaults?: (string | null)[];
  /** Whether a list offers any beside the default. */
  any?: boolean;
};

/** No value has it: it stands for any where "" stands for the default. */
export const ANY = "\0";

/** Says what no value stands for. */
export function defaultText(defaults: (string | null)[] | undefined, shown: (value: string) => string = (one) => one): string {
  if (!defaults || defaults.length === 0) return w.values.pick;
  return w.values.own(defaults.map((one) => (one === null ? w.values.pick : shown(one))).join(" / "));
}

export function ParameterInput({ parameter, value: chosen, onChange, late, defaults, any }: Props) {
  const value = chosen ?? "";
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const picked = chosen === null && any ? ANY : value;
  const pick = (text: string) => onChange(text === ANY ? null : text);
  const none = any ? [[ANY, w.values.pick] as const] : [];
  const list = useQuery({
    queryKey: ["values", parameter.values],
    enabled: Boolean(parameter.values),
    queryFn: async ({ signal }) => {
      const { rows } = await askKept({ sql: `${OWN} ${parameter.values ?? ""}` }, OFFERED, signal);
      return rows.map((row) => [raw(row[0]), raw(row[1] ?? row[0])] as const);
    },
    staleTime: 60_000,
    retry: false,
  });
  const tell = () => typed !== value && onChange(typed);
  // Whoever picks a day from the calendar presses nothing else; whoever types a year has not done with its first digit.
  const picking = late && (parameter.type === "date" || parameter.type === "timestamp") && typed !== value && /^[12]\d{3}-/.test(typed);
  useEffect(() => {
    if (!picking) return;
    const timer = setTimeout(() => onChange(typed), 800);
    return () => clearTimeout(timer);
  }, [picking, typed]);
  if (parameter.values && list.data) {
    const known = list.data.some(([one]) => one === value) || value === "";
    const shown = (one: string) => list.data.find(([own]) => own === one)?.[1] ?? one;
    return <Choice value={picked} options={[["", defaultText(defaults, shown)], ...none, ...(known ? [] : [[value, value] as const]), ...list.data]} onChange={pick} />;
  }
  if (parameter.type === "boolean") {
    const shown = (one: string) => ({ true: w.common.yes, false: w.common.no })[one] ?? one;
    return (
      <Choice
        value={picked}
        options={[
          ["", defaultText(defaults, shown)],
          ...none,
          ["true", w.common.yes],
          ["false", w.common.no],
        ]}
        onChange={pick}
      />
    );
  }
  return (
    <Text
      type={inputType(parameter.type)}
      placeholder={chosen === null && any ? w.values.pick : defaults && defaultText(defaults)}
      title={list.error ? `${w.values.failed}: ${list.error.message}` : undefined}
      value={late ? typed : value}
      onChange={(event) => (late ? setTyped(event.target.value) : onChange(event.target.value))}
      onBlur={late ? tell : undefined}
      onKeyDown={late ? (event) => event.key === "Enter" && tell() : undefined}
    />
  );
}
