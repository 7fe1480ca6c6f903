import { expect, test } from "vitest";
import { layout } from "./lineage";

const stepsOf = (edges: [string, string][], middle: string) => Object.fromEntries(layout(edges.map(([from, to]) => ({ from, to })), middle).nodes.map((node) => [node.name, node.step]));

test("what is reached by two ways stands behind both", () => {
  expect(stepsOf([["raw", "orders"], ["raw", "customers"], ["orders", "customers"], ["customers", "board"], ["source", "raw"]], "raw")).toEqual({ source: -1, raw: 0, orders: 1, customers: 2, board: 3 });
  expect(stepsOf([["a", "b"], ["b", "c"], ["a", "c"]], "c")).toEqual({ a: -2, b: -1, c: 0 });
});

test("circles end", () => {
  expect(Object.keys(stepsOf([["a", "b"], ["b", "c"], ["c", "b"], ["c", "a"], ["d", "d"]], "a")).sort()).toEqual(["a", "b", "c"]);
});
