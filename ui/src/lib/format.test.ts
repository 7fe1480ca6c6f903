import { expect, test } from "vitest";
import { cell, compact, exact } from "./format";

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

test("decimals have the places of their type, and all of their digits", () => {
  expect(cell(1.5, "numeric(10,2)")).toBe("1.50");
  expect(cell(1234, "numeric(38,2)")).toBe("1,234.00");
  expect(cell(1.5, "numeric(38,10)")).toBe("1.5");
  expect(cell("123456789012345678901234567.891", "numeric(38,3)")).toBe("123,456,789,012,345,678,901,234,567.891");
  expect(cell("-0.12345678901234567890", "numeric(38,20)")).toBe("-0.12345678901234567890");
});
