import { expect, test } from "vitest";
import { profileOf } from "./profile";

test("nulls, distinct, bounds, the most frequent, the spread", () => {
  const made = profileOf([[3], [null], [10], [3], [undefined]], 0, "bigint");
  expect(made).toMatchObject({ rows: 5, nulls: 2, distinct: 2, min: 3, max: 10, top: [{ value: 3, count: 2 }, { value: 10, count: 1 }] });
  expect(made.bins.reduce((sum, bin) => sum + bin.count, 0)).toBe(3);
});

test("texts have no spread; values that all differ have no most frequent ones", () => {
  const rows = Array.from({ length: 20 }, (_, i) => [`row ${String(i).padStart(2, "0")}`]);
  expect(profileOf(rows, 0, "text")).toMatchObject({ distinct: 20, min: "row 00", max: "row 19", top: [], bins: [] });
});

test("nothing but nulls", () => {
  expect(profileOf([[null]], 0, "text")).toEqual({ rows: 1, nulls: 1, distinct: 0, min: null, max: null, top: [], bins: [], boundless: [] });
  expect(profileOf([], 0, "bigint")).toMatchObject({ rows: 0, min: null });
});

test("what is NaN or infinite is counted apart", () => {
  const rows = [[1.5], ["NaN"], [4], ["NaN"], ["-Infinity"], [null]];
  expect(profileOf(rows, 0, "double precision")).toMatchObject({ nulls: 1, distinct: 4, min: 1.5, max: 4, top: [{ value: 1.5, count: 1 }, { value: 4, count: 1 }], boundless: [{ value: "NaN", count: 2 }, { value: "-Infinity", count: 1 }] });
  // A text is a text.
  expect(profileOf(rows, 0, "text").boundless).toEqual([]);
  expect(profileOf([["NaN"]], 0, "real")).toMatchObject({ min: null, max: null, distinct: 1 });
});
