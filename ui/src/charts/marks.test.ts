import { expect, test } from "vitest";
import type { Cell } from "../lib/rows";
import { type Mark, marksOf, sameMark, walked } from "./marks";
import { options } from "./options";
import { picked } from "./pick";
import type { ChartSpec } from "./spec";

const look = { dark: false, ink: "black", quiet: "grey", line: "grey", sheet: "white" };
const columns = [{ name: "k", type: "text" }, { name: "n", type: "bigint" }, { name: "s", type: "text" }];
const rows: Cell[][] = [["a", 5, "x"], ["b", 3, "x"], ["c", 1000.5, "x"], ["a", 2, "y"], ["b", null, "y"], ["c", 9, "y"]];
const of = (spec: ChartSpec, data = rows) => marksOf(spec, options(spec, columns, data, look, 0) as Record<string, unknown>);
const walk = (marks: Mark[], ...keys: string[]) => {
  let at: Mark | null = null;
  return keys.map((key) => {
    at = walked(marks, at, key) ?? at;
    return at?.text;
  });
};

test("keys go along a line past its gaps, and from line to line as they lie", () => {
  const marks = of({ kind: "line", x: "k", y: ["n"], series: "s" });
  expect(marks).toHaveLength(5);
  expect(walk(marks, "ArrowRight", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp")).toEqual(["a, x 5", "b, x 3", "a, y 2", "c, y 9", "c, y 9", "c, y 9", "a, y 2", "a, x 5"]);
  expect(walk(marks, "End", "ArrowDown", "ArrowUp", "ArrowUp")).toEqual(["c, x 1,000.5", "c, y 9", "c, x 1,000.5", "c, x 1,000.5"]);
  expect(walk(marks, "End", "Home", "PageDown")).toEqual(["c, x 1,000.5", "a, x 5", "c, x 1,000.5"]);
  expect(walk(marks, "ArrowLeft")).toEqual(["c, x 1,000.5"]);
  expect(walked(marks, null, "a")).toBeNull();
});

test("stacked parts lie in the order they are stacked in", () => {
  const marks = of({ kind: "bar", x: "k", y: ["n"], series: "s", stacked: true });
  expect(walk(marks, "Home", "ArrowUp", "ArrowUp", "ArrowDown")).toEqual(["a, x 5", "a, y 2", "a, y 2", "a, x 5"]);
});

test("the cells of a heatmap are gone through both ways, over empty ones", () => {
  const marks = of({ kind: "heatmap", x: "k", y: ["n"], series: "s" });
  expect(walk(marks, "ArrowRight", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown")).toEqual(["a, x, 5", "b, x, 3", "a, y, 2", "c, y, 9", "c, x, 1,000.5"]);
});

test("slices tell their share, and up and down go along where there is nothing above", () => {
  const spec: ChartSpec = { kind: "pie", x: "k", y: ["n"] };
  expect(walk(of(spec, [["a", 3, ""], ["b", 1, ""]]), "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp")).toEqual(["a, 3, 75 %", "b, 1, 25 %", "b, 1, 25 %", "a, 3, 75 %"]);
});

test("what is walked to can be chosen as what is clicked", () => {
  for (const kind of ["line", "bar", "pie", "funnel", "box", "heatmap"] as const) {
    const spec: ChartSpec = { kind, x: "k", y: ["n"] };
    const mark = of(spec).find((one) => one.name === "b") as Mark;
    expect([kind, picked(spec, columns, rows, 0, mark)]).toEqual([kind, "b"]);
  }
  const flows: ChartSpec = { kind: "sankey", x: "k", y: ["n"], series: "s" };
  const marks = of(flows);
  expect(marks.filter((mark) => !mark.edge).map((mark) => mark.text)).toContain("c, 1,009.5");
  const flow = marks.find((mark) => mark.edge && mark.text.startsWith("b → x")) as Mark;
  expect(picked(flows, columns, rows, 0, flow)).toBe("b");
});

test("points are gone through by where they are, whatever order they came in", () => {
  const spec: ChartSpec = { kind: "scatter", x: "n", y: ["n"] };
  expect(walk(of(spec), "ArrowRight", "ArrowRight", "End")).toEqual(["n 2, n 2", "n 3, n 3", "n 1,000.5, n 1,000.5"]);
});

test("a drawing that is made anew is gone on with where one was", () => {
  const spec: ChartSpec = { kind: "bar", x: "k", y: ["n"] };
  const before = of(spec, rows.slice(0, 3)).find((mark) => mark.name === "b") as Mark;
  expect(sameMark(of(spec, rows.slice(1, 3)), before)?.dataIndex).toBe(0);
  expect(sameMark(of(spec, [["a", 1, "x"], ["b", 7, "x"]]), before)?.text).toBe("b, n 7");
  expect(sameMark(of(spec, [["z", 1, "x"]]), before)).toBeNull();
});
