/** What there is to ask about, beside the editor: tables with their columns, put into the SQL by a click. */

import { useState } from "react";
import type { Catalogue } from "../editor/completion";
import { quoted, quotedTable } from "../lib/sqltext";
import { Text } from "../parts/basics";
import { words as w } from "../words";
import { bySense } from "./data";

/** Tables that are listed at most: who has more of them filters. */
const MOST = 300;

interface Props {
  catalogue: Catalogue;
  /** Puts a name where the cursor is. */
  onInsert(text: string): void;
  /** Asks for some rows of a table. */
  onLook(table: string): void;
  /** Whether it is known what there is. */
  known: boolean;
  /** Whether nothing is written yet. */
  blank: boolean;
}

export function TableList({ catalogue, known, onInsert, onLook, blank }: Props) {
  const [filter, setFilter] = useState("");
  const [open, setOpen] = useState<string | null>(null);
  const wanted = filter.trim().toLowerCase();
  const found = Object.keys(catalogue)
    .sort(bySense)
    .flatMap((schema) => Object.keys(catalogue[schema] ?? {}).sort().map((table) => ({ schema, table, columns: catalogue[schema]?.[table] ?? [] })))
    .filter(({ schema, table, columns }) => wanted === "" || `${schema}.${table}`.toLowerCase().includes(wanted) || columns.some((column) => column.name.toLowerCase().includes(wanted)));
  const shown = found.slice(0, MOST);
  return (
    <aside className="tables" aria-label={w.data.tables}>
      <Text type="search" aria-label={w.tables.filter} placeholder={w.tables.filter} value={filter} onChange={(event) => setFilter(event.target.value)} />
      {shown.length === 0 && known && <p className="quiet small">{wanted ? w.tables.none : w.data.empty}</p>}
      <ul>
        {shown.map(({ schema, table, columns }, i) => {
          const name = `${schema}.${table}`;
          return (
            <li key={name}>
              {schema !== shown[i - 1]?.schema && <h3>{schema}</h3>}
              <div className="row">
                <button type="button" className="link clip grow" aria-expanded={open === name} title={name} onClick={() => setOpen(open === name ? null : name)}>
                  {table}
                </button>
                <button type="button" className="link small" aria-label={blank ? w.tables.look(name) : w.tables.insert(name)} title={blank ? w.tables.look(name) : w.tables.insert(name)} onClick={() => (blank ? onLook(quotedTable(schema, table)) : onInsert(quotedTable(schema, table)))}>
                  {blank ? w.tables.rows : w.tables.use}
                </button>
              </div>
              {open === name && (
                <ul className="columns">
                  {columns.map((column) => (
                    <li key={column.name}>
                      <button type="button" className="row" title={w.tables.insert(column.name)} onClick={() => onInsert(quoted(column.name))}>
                        <span className="clip grow">{column.name}</span>
                        <span className="quiet small clip">{column.type}</span>
                      </button>
                    </li>
                  ))}
                </ul>
              )}
            </li>
          );
        })}
      </ul>
      {found.length > MOST && <p className="quiet small">{w.tables.more(MOST, found.length)}</p>}
    </aside>
  );
}
