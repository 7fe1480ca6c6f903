/** What of the data a click on a drawing is about: the value as it is, not as the axis writes it. */

import { isTime, raw } from "../lib/format";
import type { Cell, Column, Row } from "../lib/rows";
import { countryName, plainName } from "./kinds";
import { type ChartSpec, placeText, table } from "./spec";
import { timeline, wallAt } from "./time";

/** What the drawing library tells of a click. */
export interface Clicked {
  name: string;
  dataIndex: number;
  value?: unknown;
}

/** Takes the value that was chosen of a chart, or null to choose none, and says what came of it. */
export type Picks = (value: string | null) => "set" | "cleared" | "nothing";

/** A value as the data has it; null is none to choose. */
export const told = (place: Cell) => (place === null || place === undefined ? null : raw(place));

/** Returns the raw value that was clicked; null where it is none of the data's, such as what is missing. */
export function picked(spec: ChartSpec, columns: Column[], rows: Row[], at: number, { name, dataIndex, value }: Clicked): string | null {
  const index = (wanted: string | undefined) => columns.findIndex((column) => column.name === wanted);
  const x = index(spec.x);
  const type = columns[x]?.type ?? "text";
  const called = (column: number, text: (place: Cell) => string) => told(rows.find((row) => row[column] !== null && text(row[column]) === plainName(name))?.[column]);
  switch (spec.kind) {
    case "line":
    case "bar":
    case "area": {
      const { places, from } = timeline(table(spec, columns, rows).places, type, at);
      return (from[dataIndex] ?? -1) < 0 ? null : told(places[dataIndex]);
    }
    case "heatmap":
      return Array.isArray(value) ? told(table(spec, columns, rows).places[Number(value[0])]) : null;
    case "scatter":
      return !Array.isArray(value) ? null : isTime(type) ? told(rows.find((row) => wallAt(row[x], type) === value[0])?.[x]) : told(value[0]);
    case "map":
      return called(x, (place) => countryName(String(place)));
    case "sankey": {
      const source = called(x, (place) => placeText(place, type));
      const other = index(spec.series);
      return source ?? called(other, (place) => placeText(place, columns[other]?.type ?? "text"));
    }
    case "pie":
    case "funnel":
    case "box":
      return called(x, (place) => placeText(place, type));
    default:
      return null;
  }
}
