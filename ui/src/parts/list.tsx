/** A table of things: one row each, columns that know how to write themselves. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Called } from "../lib/called";
import { cronWords } from "../lib/cron";
import { Link } from "../lib/router";

export interface Column<T> {
  head: string;
  /** Whether the head is only read out. */
  quiet?: boolean;
  /** Numbers stand on the right. */
  number?: boolean;
  cell(row: T): ReactNode;
}

interface Props<T> {
  columns: readonly (Column<T> | false)[];
  rows: readonly T[];
  keyOf(row: T, at: number): string | number;
  label?: string;
  /** Whether it stands on a card of its own. */
  card?: boolean;
  /** Whether its columns stand where those of lists beside it do. */
  even?: boolean;
}

export function List<T>({ columns, rows, keyOf, label, card, even }: Props<T>) {
  const shown = columns.filter((column) => column !== false);
  const box = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWide(element.scrollWidth > element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return (
    // What scrolls is reached by keys, and only what scrolls.
    <div className={`scroll ${card ? "card" : ""}`} ref={box} tabIndex={wide ? 0 : undefined} role={wide ? "group" : undefined} aria-label={wide ? label : undefined}>
      <table className={`list stacked ${even ? "even" : ""}`} aria-label={label}>
        <thead>
          <tr>
            {shown.map((column) => (
              <th key={column.head} className={column.number ? "num" : undefined}>
                {column.quiet ? <span className="hidden">{column.head}</span> : column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={keyOf(row, at)}>
              {shown.map((column) => (
                // On a phone the head stands beside its value.
                <td key={column.head} className={column.number ? "num" : undefined} data-head={column.quiet ? undefined : column.head}>
                  <div>{column.cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** When something is due, in words where there are short ones. */
export function Cron({ line }: { line: string }) {
  const said = cronWords(line);
  return said ? <span title={line}>{said}</span> : <code>{line}</code>;
}

/** A schedule by what it does: its runs are one press away, and what it is about as well. */
export function ScheduleName({ name, called }: { name: string; called: Called }) {
  return (
    <>
      <Link href={`/runs?schedule=${encodeURIComponent(name)}`} title={called.text === name ? undefined : name}>
        {called.what ?? called.text}
      </Link>
      {called.about && (
        <>
          {" "}
          <Link href={called.about.href}>{called.about.name}</Link>
        </>
      )}
    </>
  );
}

/** How much of the most something is. */
export function Meter({ part, of }: { part: number; of: number }) {
  return (
    <div className="meter" aria-hidden="true">
      <i style={{ width: `${of > 0 ? (part / of) * 100 : 0}%` }} />
    </div>
  );
}
