/** The tiles of a dashboard where they lie, and how they are moved. */

import { type PointerEvent, useRef, useState } from "react";
import type { Picks } from "../charts/pick";
import { COLUMNS, type Filter, moved, type Picked, type Said, type Tile } from "./board";
import { TileView } from "./tile";

/** Of a row of the board, with the gap below it. */
const ROW = 72;

interface Props {
  tiles: Tile[];
  editing: boolean;
  params: Record<string, Said>;
  fresh: number;
  filters: Filter[];
  /** Whose dashboard it is. */
  owner: string;
  onChange(tiles: Tile[]): void;
  /** A tile's value was clicked that sets a filter. */
  onPick(filter: string, value: Picked | null): ReturnType<Picks>;
}

export function Tiles({ tiles, editing, params, fresh, filters, owner, onChange, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [moving, setMoving] = useState<string | null>(null);
  const drag = (tile: Tile, sizes: boolean) => (event: PointerEvent<HTMLElement>) => {
    const width = (box.current?.clientWidth ?? 1200) / COLUMNS;
    const target = event.currentTarget;
    const [startX, startY] = [event.clientX, event.clientY];
    target.setPointerCapture(event.pointerId);
    setMoving(tile.id);
    const go = (now: globalThis.PointerEvent) => {
      const dx = Math.round((now.clientX - startX) / width);
      const dy = Math.round((now.clientY - startY) / ROW);
      onChange(moved(tiles, tile.id, sizes ? { w: tile.w + dx, h: tile.h + dy } : { x: tile.x + dx, y: tile.y + dy }));
    };
    const end = () => {
      target.removeEventListener("pointermove", go);
      setMoving(null);
    };
    target.addEventListener("pointermove", go);
    target.addEventListener("pointerup", end, { once: true });
    target.addEventListener("pointercancel", end, { once: true });
  };
  const keys = (tile: Tile) => (event: React.KeyboardEvent) => {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const part = event.shiftKey ? { w: tile.w + step[0], h: tile.h + step[1] } : { x: tile.x + step[0], y: tile.y + (step[1] > 0 ? tile.h : step[1]) };
    onChange(moved(tiles, tile.id, part));
  };
  const part = (id: string, change: Partial<Tile>) => onChange(tiles.map((tile) => (tile.id === id ? { ...tile, ...change } : tile)));
  return (
    <div className="board" ref={box}>
      {tiles.map((tile) => (
        <TileView
          key={tile.id}
          tile={tile}
          params={params}
          fresh={fresh}
          moving={moving === tile.id}
          filters={filters}
          owner={owner}
          onPick={onPick}
          editing={
            editing
              ? {
                  onDrag: drag(tile, false),
                  onResize: drag(tile, true),
                  onKeys: keys(tile),
                  onRemove: () => onChange(tiles.filter((other) => other.id !== tile.id)),
                  onChange: (change) => part(tile.id, change),
                }
              : undefined
          }
        />
      ))}
    </div>
  );
}

