import { expect, it } from "vitest";
import { added, type Filter, fitting, moved, offeredFilters, onTab, ownDefaults, paramsOf, saidIn, settle, type Tile } from "./board";

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

it("a filter by day takes the day of a moment, a range all of its period", () => {
  const picked = (value: string, period: "day" | "hour" | "week" | "month" | null = null, type = "timestamp") => ({ value, type, period });
  expect(fitting("date", picked("2026-11-22T00:00:00"))).toBe("2026-11-22");
  expect(fitting("date", picked("2026-11-22", null, "date"))).toBe("2026-11-22");
  expect(fitting("timestamp", picked("2026-11-22T00:00:00"))).toBe("2026-11-22T00:00:00");
  expect(fitting("date_range", picked("2026-11-01T00:00:00", "month"))).toBe("2026-11-01..2026-11-30");
  expect(fitting("date_range", picked("2026-11-16", "week", "date"))).toBe("2026-11-16..2026-11-22");
  expect(fitting("date_range", picked("2026-11-16 10:00:00", "hour"))).toBe("2026-11-16..2026-11-16");
  expect(fitting("date_range", picked("Berlin", null, "text"))).toBe("Berlin");
});

it("filters say a value, any, or nothing", () => {
  const filters: Filter[] = [
    { name: "country", type: "text", default: "DE" },
    { name: "plan", type: "text" },
    { name: "period", type: "date_range", default: "last_month" },
    { name: "day", type: "date_range", from: "since" },
  ];
  const told = (search: string) => paramsOf(filters, (filter) => saidIn(new URLSearchParams(search), filter), "2026-11-22");
  expect(told("")).toEqual({ country: "DE", period_from: "2026-10-01", period_to: "2026-11-01" });
  expect(told("f.country=&f.plan=pro&f.period=&f.day=2026-01-05..2026-01-06")).toEqual({ country: null, plan: "pro", period_from: null, period_to: null, since: "2026-01-05" });
  // What cannot be read says nothing: the page tells so.
  expect(told("f.period=some_day")).toEqual({ country: "DE" });
});

it("filters are offered for what questions take and no filter sets", () => {
  const take = (name: string, type: "text" | "date") => ({ name, type });
  const all = [take("period_from", "date"), take("country", "text"), take("period_to", "date"), take("mail_to", "text")];
  expect(offeredFilters(all, [])).toEqual([{ name: "period", type: "date_range" }, { name: "country", type: "text" }, { name: "mail_to", type: "text" }]);
  expect(offeredFilters(all, [{ name: "period", type: "date_range" }]).map((one) => one.name)).toEqual(["country", "mail_to"]);
  expect(offeredFilters([take("period_from", "date")], [])).toEqual([{ name: "period_from", type: "date" }]);
});
