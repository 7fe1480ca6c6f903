import { expect, test } from "vitest";
import { milliseconds, planOf, rowsIn, stepsOf } from "./plan";

const MEASURED = `SortExec: expr=[n@0 ASC], preserve_partitioning=[true], metrics=[output_rows=2, elapsed_compute=3.91µs, spilled_bytes=0.0 B]
  CooperativeExec, metrics=[]
    DataSourceExec: file_groups={1 group: [[var/lake/main/raw_orders/part-1.zstd.parquet, var/lake/main/raw_orders/part-2.zstd.parquet]]}, predicate=t@0 = a, metrics=[b], metrics=[output_rows=1.5 K, page_index_pages_pruned=1 total → 1 matched]
`;

test("steps stand in each other, with what was measured", () => {
  const steps = stepsOf(MEASURED);
  expect(steps.map((step) => [step.depth, step.operator, step.table])).toEqual([[0, "SortExec", null], [1, "CooperativeExec", null], [2, "DataSourceExec", "main.raw_orders"]]);
  expect(steps[0]?.metrics.get("elapsed_compute")).toBe("3.91µs");
  expect(steps[0]?.detail).toBe("expr=[n@0 ASC], preserve_partitioning=[true]");
  expect(steps[1]?.metrics.size).toBe(0);
  // What looks like measures within what is said is said.
  expect(steps[2]?.detail.endsWith("predicate=t@0 = a, metrics=[b]")).toBe(true);
  expect(steps[2]?.metrics.get("output_rows")).toBe("1.5 K");
});

test("times and rows are read", () => {
  expect(milliseconds("36.24µs")).toBeCloseTo(0.03624);
  expect(milliseconds("1.5s")).toBe(1500);
  expect(milliseconds("48.0 B")).toBeNull();
  expect([rowsIn("2"), rowsIn("1.5 K"), rowsIn("x")]).toEqual([2, 1500, null]);
});

test("only an answer of EXPLAIN is a plan", () => {
  const columns = [{ name: "plan_type" }, { name: "plan" }];
  expect(planOf(columns, [["Plan with Metrics", MEASURED]])).toMatchObject({ measured: true, logical: null });
  expect(planOf(columns, [["logical_plan", "Sort: a"], ["physical_plan", "SortExec: a"]])).toMatchObject({ measured: false, logical: "Sort: a" });
  expect(planOf([{ name: "a" }, { name: "plan" }], [])).toBeNull();
  expect(planOf(columns, [["x", "y"]])).toBeNull();
});
