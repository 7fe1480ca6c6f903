/** A value that somebody chooses: typed, or taken from a list that a query makes. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Parameter } from "../lib/documents";
import { raw } from "../lib/format";
import { askKept } from "../lib/run";
import { words as w } from "../words";
import { Choice, Text } from "./basics";

/** Values that are offered. */
const OFFERED = 1_000;

/** Inputs fit for a parameter's type. */
export const inputType = (type: Parameter["type"]) => ({ text: "text", number: "number", date: "date", timestamp: "datetime-local", boolean: "text" })[type];

type Props = {
  parameter: Pick<Parameter, "name" | "type" | "values">;
  value: string;
  onChange(value: string): void;
  /** Whether a typed value is told only when it is done: by Enter, or by going elsewhere. */
  late?: boolean;
  /** What applies when no value is given, where that is not any: null among several is any. */
  defaults?: (string | null)[];
};

/** Says what no value stands for. */
export function defaultText(defaults: (string | null)[] | undefined, shown: (value: string) => string = (one) => one): string {
  if (!defaults || defaults.length === 0) return w.values.pick;
  return w.values.own(defaults.map((one) => (one === null ? w.values.pick : shown(one))).join(" / "));
}

export function ParameterInput({ parameter, value, onChange, late, defaults }: Props) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const list = useQuery({
    queryKey: ["values", parameter.values],
    enabled: Boolean(parameter.values),
    queryFn: async ({ signal }) => {
      const { rows } = await askKept({ sql: parameter.values ?? "" }, OFFERED, signal);
      return rows.map((row) => [raw(row[0]), raw(row[1] ?? row[0])] as const);
    },
    staleTime: 60_000,
    retry: false,
  });
  if (parameter.values && list.data) {
    const known = list.data.some(([one]) => one === value) || value === "";
    const shown = (one: string) => list.data.find(([own]) => own === one)?.[1] ?? one;
    return <Choice value={value} options={[["", defaultText(defaults, shown)], ...(known ? [] : [[value, value] as const]), ...list.data]} onChange={onChange} />;
  }
  if (parameter.type === "boolean") {
    const shown = (one: string) => ({ true: w.common.yes, false: w.common.no })[one] ?? one;
    return (
      <Choice
        value={value}
        options={[
          ["", defaultText(defaults, shown)],
          ["true", w.common.yes],
          ["false", w.common.no],
        ]}
        onChange={onChange}
      />
    );
  }
  const tell = () => typed !== value && onChange(typed);
  return (
    <Text
      type={inputType(parameter.type)}
      placeholder={defaults && defaultText(defaults)}
      title={list.error ? `${w.values.failed}: ${list.error.message}` : undefined}
      value={late ? typed : value}
      onChange={(event) => (late ? setTyped(event.target.value) : onChange(event.target.value))}
      onBlur={late ? tell : undefined}
      onKeyDown={late ? (event) => event.key === "Enter" && tell() : undefined}
    />
  );
}
