import { expect, it } from "vitest";
import { added, fitting, moved, onTab, ownDefaults, settle, type Tile } from "./board";

const tile = (id: string, x: number, y: number, w = 6, h = 4): Tile => ({ id, x, y, w, h });
const places = (tiles: Tile[]) => Object.fromEntries(tiles.map((one) => [one.id, [one.x, one.y, one.w, one.h]]));

it("lets no tile lie over another, and leaves no gap above", () => {
  expect(places(settle([tile("a", 0, 3), tile("b", 2, 4)]))).toEqual({ a: [0, 0, 6, 4], b: [2, 4, 6, 4] });
});

it("makes room for what is moved", () => {
  const tiles = [tile("a", 0, 0), tile("b", 6, 0), tile("c", 0, 4)];
  expect(places(moved(tiles, "c", { y: 0 }))).toEqual({ c: [0, 0, 6, 4], a: [0, 4, 6, 4], b: [6, 0, 6, 4] });
});

it("keeps tiles on the board", () => {
  expect(places(moved([tile("a", 0, 0)], "a", { x: 20, w: 99 }))).toEqual({ a: [0, 0, 12, 4] });
  expect(places(moved([tile("a", 0, 0)], "a", { x: -5, y: -5, h: 0 }))).toEqual({ a: [0, 0, 6, 2] });
});

it("adds beside, then below", () => {
  const one = added([], { id: "a", w: 6, h: 4 });
  const two = added(one, { id: "b", w: 6, h: 4 });
  const three = added(two, { id: "c", w: 6, h: 4 });
  expect(places(three)).toEqual({ a: [0, 0, 6, 4], b: [6, 0, 6, 4], c: [0, 4, 6, 4] });
});

it("a tile whose tab is gone is on the first", () => {
  const tabs = [
    { id: "a", name: "A" },
    { id: "b", name: "B" },
  ];
  const tile: Tile = { id: "t", x: 0, y: 0, w: 2, h: 2 };
  expect(onTab({ ...tile, tab: "b" }, tabs, "b")).toBe(true);
  expect(onTab({ ...tile, tab: "x" }, tabs, "a")).toBe(true);
  expect(onTab(tile, tabs, "b")).toBe(false);
  expect(onTab({ ...tile, tab: "x" }, [], undefined)).toBe(true);
});

it("a filter that says nothing leaves each question its own default", () => {
  const asks = (name: string, given?: string) => ({ sql: "", parameters: [{ name, type: "text" as const, default: given }] });
  expect(ownDefaults("country", [undefined, asks("country", "DE"), asks("country", "DE"), asks("other", "x")])).toEqual(["DE"]);
  expect(ownDefaults("country", [asks("country", "DE"), asks("country", "FR"), asks("country")])).toEqual(["DE", "FR", null]);
  expect(ownDefaults("country", [asks("country"), asks("country", "")])).toEqual([]);
});

it("a filter by day takes the day of a moment", () => {
  expect(fitting("date", "2026-11-22T00:00:00")).toBe("2026-11-22");
  expect(fitting("date", "2026-11-22")).toBe("2026-11-22");
  expect(fitting("timestamp", "2026-11-22T00:00:00")).toBe("2026-11-22T00:00:00");
});
