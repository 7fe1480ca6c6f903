import { expect, test } from "vitest";
import { compact, exact } from "./format";

test("steps of an axis are told apart", () => {
  expect([0.002, 0.25, 0.75].map(compact)).toEqual(["0.002", "0.25", "0.75"]);
  expect(new Set([1000, 1250, 1500, 1750].map(compact)).size).toBe(4);
  expect(compact(0)).toBe("0");
});

test("what is vast or tiny is told by its power, and never as nothing", () => {
  expect(compact(1e300)).toBe("1E300");
  expect(compact(-9_223_372_036_854_775_807)).toBe("-9.22E18");
  expect(exact(1e300)).toBe("1e300");
  expect(exact(1e-300)).toBe("1e-300");
  expect(exact(0.00001234)).toBe("0.00001234");
  expect(exact(1234.5)).toBe("1,234.5");
  expect(exact(-0.5)).toBe("-0.5");
});
