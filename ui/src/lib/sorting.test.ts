import { expect, test } from "vitest";
import { askedInOrder, pressed, sorted } from "./sorting";

const by = (values: unknown[], type: string, down = false) => sorted(values.map((value) => [value]), { column: 0, down }, type).map((i) => values[i]);

test("a head has three states", () => {
  const up = pressed(null, 2);
  expect(up).toEqual({ column: 2, down: false });
  const down = pressed(up, 2);
  expect(down).toEqual({ column: 2, down: true });
  expect(pressed(down, 2)).toBeNull();
  expect(pressed(down, 1)).toEqual({ column: 1, down: false });
});

test("numbers by value, also long ones; what is missing last, both ways", () => {
  expect(by([10, null, 9, -1], "bigint")).toEqual([-1, 9, 10, null]);
  expect(by([10, null, 9, -1], "bigint", true)).toEqual([10, 9, -1, null]);
  expect(by(["9007199254740993", "9007199254740992", 7], "bigint")).toEqual([7, "9007199254740992", "9007199254740993"]);
  expect(by(["NaN", 1, "Infinity", null, "-Infinity", "NaN"], "real")).toEqual(["-Infinity", 1, "Infinity", "NaN", "NaN", null]);
  expect(by(["10.5", "9.25", "-3"], "numeric(10,2)")).toEqual(["-3", "9.25", "10.5"]);
});

test("texts by their letters, moments by their time, equal rows as they came", () => {
  expect(by(["b", "B", "a", ""], "text")).toEqual(["", "B", "a", "b"]);
  expect(by(["2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z"], "timestamp with time zone")).toEqual(["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"]);
  expect(by([true, false], "boolean")).toEqual([false, true]);
  expect(sorted([["x", 1], ["x", 2], undefined, ["a", 3]], { column: 0, down: true }, "text")).toEqual([0, 1, 3, 2]);
});

test("a question is asked in order with the same values", () => {
  expect(askedInOrder({ sql: "select 1 as a -- one\n;", params: [] }, { column: 0, down: true })).toEqual({ sql: "select * from (\nselect 1 as a -- one\n) as answer order by 1 desc nulls last" });
  expect(askedInOrder({ sql: "select '$1' as t, x from y where x = $1 and z = $2", params: ["a", 3] }, { column: 1, down: false })).toEqual({
    sql: "select * from (\nselect '$1' as t, x from y where x = {{value_1}} and z = {{value_2}}\n) as answer order by 2 nulls last",
    params: { value_1: "a", value_2: 3 },
  });
});
