/** Search over everything, from everywhere: pages, what can be done, tables, columns, questions, dashboards. */

import { useEffect, useMemo, useRef, useState } from "react";
import { PAGES } from "../frame";
import { path } from "../lib/api";
import { useColumns } from "../lib/catalogue";
import { useDocuments } from "../lib/documents";
import { useModels } from "../lib/models";
import { navigate } from "../lib/router";
import { find, type Findable, nearest } from "../lib/search";
import { words as w } from "../words";
import { type Action, useActions } from "./actions";
import { useTables } from "./data";

const ASK: Findable[] = [
  { name: w.palette.build, kind: w.palette.action, to: "/build" },
  { name: w.palette.ask, kind: w.palette.action, to: "/ask" },
];

export default function Palette({ onClose }: { onClose(): void }) {
  const box = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const tables = useTables();
  const columns = useColumns();
  const models = useModels();
  const questions = useDocuments("questions");
  const dashboards = useDocuments("dashboards");
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    if (box.current && !box.current.open) box.current.showModal();
    return () => before?.focus?.();
  }, []);
  const actions = useActions();
  const all = useMemo<(Findable | Action)[]>(
    () => [
      ...PAGES.map(([to, , name]) => ({ name, kind: w.palette.pages, to })),
      ...actions,
      ...(dashboards.data ?? []).map((one) => ({ name: one.name, about: one.description, kind: w.palette.dashboards, to: `/d/${one.id}` })),
      ...(questions.data ?? []).map((one) => ({ name: one.name, about: one.description, kind: w.palette.questions, to: `/q/${one.id}` })),
      ...(models.data?.models ?? []).map((one) => ({ name: one.name, about: `${one.description} ${one.owner ?? ""} ${one.columns.map((column) => column.description).join(" ")}`, kind: w.models.kinds[one.kind] ?? w.palette.models, to: path`/models/${one.asset}` })),
      ...(tables.data ?? []).map((one) => ({ name: `${one.schema_name}.${one.table_name}`, about: one.comment ?? undefined, kind: w.palette.tables, to: path`/data/${one.schema_name}/${one.table_name}` })),
      ...(columns.data ?? []).map((one) => ({ name: `${one.table_schema}.${one.table_name}.${one.column_name}`, kind: w.palette.columns, to: path`/data/${one.table_schema}/${one.table_name}` })),
    ],
    [actions, tables.data, columns.data, questions.data, dashboards.data, models.data],
  );
  const found = useMemo(() => find(all, text, 40), [all, text]);
  // Whoever finds nothing wants to know something all the same.
  const shown = useMemo(() => (found.length > 0 ? found : [...nearest(all, text, 12), ...ASK]), [found, all, text]);
  const go = (one: Findable | Action | undefined) => {
    if (!one) return;
    onClose();
    if ("act" in one) one.act();
    else navigate(one.to);
  };
  const keys = (event: React.KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(shown.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter") go(shown[at]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      className="palette"
      ref={box}
      aria-label={w.palette.open}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === box.current) onClose();
      }}
    >
      <input
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-found"
        aria-activedescendant={shown[at] ? `palette-${at}` : undefined}
        aria-label={w.palette.placeholder}
        placeholder={w.palette.placeholder}
        autoComplete="off"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={keys}
      />
      {found.length === 0 && (
        <p className="quiet" role="status">
          {w.palette.nothing}
        </p>
      )}
      <ul id="palette-found" role="listbox" aria-label={w.palette.open}>
        {shown.map((one, i) => (
          // biome-ignore lint: keys are handled by the field
          <li key={one.kind + one.to + one.name} id={`palette-${i}`} role="option" aria-selected={i === at} onPointerMove={() => setAt(i)} onClick={() => go(one)}>
            <span className="clip">
              {one.name}
              {one.about && <span className="quiet small"> {one.about}</span>}
            </span>
            <small>{one.kind}</small>
          </li>
        ))}
      </ul>
    </dialog>
  );
}
