import { expect, it } from "vitest";
import { bins, boundless, largest, fitted, numeric, placeText, suggest, table } from "./spec";

const day = { name: "day", type: "date" };
const kind = { name: "kind", type: "text" };
const n = { name: "n", type: "bigint" };
const price = { name: "price", type: "numeric(10,2)" };

it("chooses a chart that fits", () => {
  expect(suggest([n], [[1]])).toEqual({ kind: "number", y: ["n"] });
  expect(suggest([kind], [["a"], ["b"]]).kind).toBe("table");
  expect(suggest([day, n, price], [["2026-01-01", 1, "2"], ["2026-01-02", 1, "2"]])).toEqual({ kind: "line", x: "day", y: ["n", "price"] });
  expect(suggest([day, kind, n], [["2026-01-01", "a", 1], ["2026-01-02", "b", 1]])).toEqual({ kind: "line", x: "day", y: ["n"], series: "kind" });
  expect(suggest([kind, n], [["a", 1], ["b", 2]])).toMatchObject({ kind: "bar", x: "kind" });
  expect(suggest([n], [[1], [2]]).kind).toBe("histogram");
});

it("draws no line through several rows of one moment", () => {
  const rows = [["2026-01-01", 1], ["2026-01-01", 2], ["2026-01-02", 3]];
  expect(suggest([day, n], rows).kind).toBe("table");
  expect(suggest([day, kind, n], rows.map(([at, x], i) => [at, `${i}`, x])).kind).toBe("line");
  expect(suggest([day, kind, n], rows.map(([at, x]) => [at, "a", x])).kind).toBe("table");
  expect(fitted({ kind: "line", y: ["n"] }, [n, day], [[1, "2026-01-01"], [2, "2026-01-01"]]).x).toBe("day");
});

it("puts no measures on one axis whose sizes differ a hundredfold", () => {
  const rows = [["2026-01-01", 1, "90"], ["2026-01-02", -2, "199.99"]];
  expect(suggest([day, n, price], rows).y).toEqual(["n", "price"]);
  expect(suggest([day, n, price], [...rows, ["2026-01-03", 0, "200"]]).y).toEqual(["n"]);
  expect(suggest([day, price, n], [...rows, ["2026-01-03", 0, "200"]].map(([at, a, b]) => [at, b, a])).y).toEqual(["price"]);
  expect(suggest([kind, n, price], [["a", 0, "500"], ["b", 0, "7"]]).y).toEqual(["n", "price"]);
});

it("makes a series of each value, in time's order, and adds up", () => {
  const rows = [
    ["2026-01-02", "a", 2],
    ["2026-01-01", "a", 1],
    ["2026-01-02", "b", 5],
    ["2026-01-02", "b", 1],
  ];
  const made = table({ kind: "line", x: "day", y: ["n"], series: "kind" }, [day, kind, n], rows);
  expect(made.places).toEqual(["2026-01-01", "2026-01-02"]);
  expect(made.series).toEqual([
    { name: "a", values: [1, 2] },
    { name: "b", values: [null, 6] },
  ]);
});

it("keeps a chart whose columns are gone", () => {
  const spec = fitted({ kind: "bar", x: "gone", y: ["gone"] }, [kind, n], [["a", 1], ["b", 2]]);
  expect(spec).toMatchObject({ kind: "bar", x: "kind", y: ["n"] });
});

it("counts every value once", () => {
  const values = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 977);
  const made = bins(values);
  expect(made.reduce((sum, bin) => sum + bin.count, 0)).toBe(1000);
  expect(bins([3, 3])).toEqual([{ from: 3, to: 3, count: 2 }]);
  expect(bins([])).toEqual([]);
});

it("takes nothing for a number that is none", () => {
  expect([numeric(null), numeric(""), numeric("x"), numeric("12.50"), numeric(0)]).toEqual([null, null, null, 12.5, 0]);
});

it("writes instants short where nothing is lost", () => {
  expect(placeText("2026-01-02T00:00:00", "timestamp")).toBe("2026-01-02");
  expect(placeText("2026-01-02T10:30:05", "timestamp")).toBe("2026-01-02 10:30:05");
  expect(placeText(null, "text")).toBe("∅");
});

it("leaves out what is NaN or infinite as what is missing, and counts it", () => {
  const x = { name: "x", type: "double precision" };
  const rows = [["a", 1], ["b", "NaN"], ["c", "Infinity"], ["d", "-Infinity"], ["e", null]];
  expect(["NaN", "Infinity", "-Infinity", Number.POSITIVE_INFINITY, "1e999"].map(numeric)).toEqual([null, null, null, null, null]);
  expect(table({ kind: "line", x: "kind", y: ["x"] }, [kind, x], rows).series).toEqual([{ name: "x", values: [1, null, null, null, null] }]);
  expect(boundless({ kind: "line", x: "kind", y: ["x"] }, [kind, x], rows)).toBe(3);
  expect(boundless({ kind: "scatter", x: "x", y: ["n"] }, [x, n], [["NaN", 1], [1, "NaN"], [1, 1]])).toBe(2);
  // A text that says so is a text.
  expect(boundless({ kind: "bar", x: "kind", y: ["n"] }, [kind, n], [["NaN", 1]])).toBe(0);
});

it("draws the largest of very many series, and chooses none that has a name for each row", () => {
  const rows = Array.from({ length: 3_000 }, (_, i) => [`2026-01-01T00:${String(Math.floor(i / 60)).padStart(2, "0")}:${String(i % 60).padStart(2, "0")}`, `k${i}`, i]);
  const columns = [{ name: "at", type: "timestamp" }, kind, n];
  expect(suggest(columns, rows)).toEqual({ kind: "line", x: "at", y: ["n"] });
  const { places, series } = table({ kind: "line", x: "at", y: ["n"], series: "kind" }, columns, rows);
  expect([places.length, series.length, series.at(-1)?.name]).toEqual([3_000, 50, "k2999"]);
  expect(largest([["a", 1], ["b", -5], ["a", 1], ["c", null]], 2)).toEqual(new Set(["b", "a"]));
  expect(largest([["a", 1], ["b", 2]], 2)).toBeNull();
});
