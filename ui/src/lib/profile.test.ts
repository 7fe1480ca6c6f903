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
  expect(profileOf([[null]], 0, "text")).toEqual({ rows: 1, nulls: 1, distinct: 0, min: null, max: null, top: [], bins: [] });
  expect(profileOf([], 0, "bigint")).toMatchObject({ rows: 0, min: null });
});
