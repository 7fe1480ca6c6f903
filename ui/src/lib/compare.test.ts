import { expect, test } from "vitest";
import { compare, usualKey } from "./compare";

const columns = [
  { name: "day", type: "date" },
  { name: "n", type: "bigint" },
];

test("rows come, go and change", () => {
  const before = { columns, rows: [["a", 1], ["b", 2], ["c", 3]] };
  const after = { columns: [...columns, { name: "more", type: "text" }], rows: [["b", 2, "x"], ["c", 4, "x"], ["d", 5, "x"]] };
  const { differences, counts, columns: both } = compare(before, after, usualKey(columns));
  expect(both.map((column) => column.name)).toEqual(["day", "n"]);
  expect(counts).toEqual({ new: 1, gone: 1, changed: 1, same: 1 });
  expect(differences.find((one) => one.fate === "changed")).toEqual({ fate: "changed", before: ["c", 3], after: ["c", 4] });
});

test("rows of one key are told apart by their order", () => {
  const answer = (rows: unknown[][]) => ({ columns, rows });
  expect(compare(answer([["a", 1], ["a", 2]]), answer([["a", 1]]), ["day"]).counts).toEqual({ new: 0, gone: 1, changed: 0, same: 1 });
});
