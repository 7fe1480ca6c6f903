/** The heads of a grid's columns: pressed to sort, dragged to resize, opened to see what a column holds. */

import type { VirtualItem } from "@tanstack/react-virtual";
import type { Column } from "../lib/rows";
import type { Order } from "../lib/sorting";
import { words as w } from "../words";

/** Narrower or wider columns are of no use. */
const [NARROW, WIDE] = [48, 1_600];

export const within = (width: number) => Math.round(Math.min(WIDE, Math.max(NARROW, width)));

interface HeadProps {
  item: VirtualItem;
  id: string;
  column: Column | undefined;
  on: boolean;
  order: Order | null;
  onSort(): void;
  onProfile(): void;
  onWidth(width: number): void;
  onFit(): void;
}

export function Head({ item, id, column, on, order, onSort, onProfile, onWidth, onFit }: HeadProps) {
  const name = column?.name ?? "";
  const sort = order?.column !== item.index ? undefined : order.down ? "descending" : "ascending";
  const drag = (event: React.PointerEvent<HTMLElement>) => {
    // The press is the handle's alone: the head would sort.
    event.preventDefault();
    event.stopPropagation();
    const handle = event.currentTarget;
    const from = event.clientX - item.size;
    handle.setPointerCapture(event.pointerId);
    const move = (moved: PointerEvent) => onWidth(within(moved.clientX - from));
    const end = () => {
      handle.removeEventListener("pointermove", move);
      handle.removeEventListener("lostpointercapture", end);
    };
    handle.addEventListener("pointermove", move);
    handle.addEventListener("lostpointercapture", end);
  };
  return (
    <div id={id} role="columnheader" aria-colindex={item.index + 1} aria-sort={sort ?? "none"} className={`headcell ${on ? "on" : ""}`} style={{ left: item.start, width: item.size }}>
      {/* Reached by the grid's own keys: hundreds of columns are no hundreds of stops. */}
      <button type="button" tabIndex={-1} className="sorter" title={`${w.grid.sort(name)} (${column?.type})`} onClick={onSort}>
        <b>{name}</b>
        <small>
          {column?.type}
          {sort && <span aria-hidden="true">{sort === "descending" ? " ▼" : " ▲"}</span>}
        </small>
      </button>
      <button type="button" tabIndex={-1} className="profiler" aria-label={w.grid.holds(name)} title={w.grid.holds(name)} onClick={onProfile}>
        ⋮
      </button>
      <span className="sizer" aria-hidden="true" title={w.grid.resize} onPointerDown={drag} onDoubleClick={onFit} />
    </div>
  );
}
