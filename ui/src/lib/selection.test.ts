import { expect, test } from "vitest";
import { asText, between, holds } from "./selection";

const columns = [{ name: "a", type: "text" }, { name: "b", type: "bigint" }, { name: "c", type: "jsonb" }];
const rows = [["x\ty", 1, null], ['say "hi"', -2, { k: 1 }], ["=1+1", "9007199254740993", ""]];
const row = (i: number) => rows[i];

test("an area is between two places, whichever comes first", () => {
  const area = between({ row: 2, column: 0 }, { row: 1, column: 2 });
  expect(area).toEqual({ top: 1, bottom: 2, left: 0, right: 2 });
  expect(holds(area, 1, 2)).toBe(true);
  expect(holds(area, 0, 2)).toBe(false);
});

test("fields keep to themselves, and text is no formula", () => {
  const all = asText(columns, row, { top: 0, bottom: 3, left: 0, right: 2 });
  expect(all.text).toBe('"x\ty"\t1\t\n"say ""hi"""\t-2\t"{""k"":1}"\n\'=1+1\t9007199254740993\t');
  expect([all.rows, all.missing]).toEqual([3, 1]);
});

test("a cell alone is as it is", () => {
  expect(asText(columns, row, { top: 2, bottom: 2, left: 0, right: 0 }).text).toBe("=1+1");
  expect(asText(columns, row, { top: 0, bottom: 0, left: 2, right: 2 }).text).toBe("");
});

test("numbers without an end are copied as they are, and text of the same letters is no formula", () => {
  const mixed = [{ name: "x", type: "double precision" }, { name: "t", type: "text" }];
  expect(asText(mixed, () => ["-Infinity", "-Infinity"], { top: 0, bottom: 0, left: 0, right: 1 }).text).toBe("-Infinity\t'-Infinity");
  expect(asText(mixed, (i) => [["NaN", "a"], ["Infinity", "b"]][i], { top: 0, bottom: 1, left: 0, right: 0 }).text).toBe("NaN\nInfinity");
});
