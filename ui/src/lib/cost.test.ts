import { expect, test } from "vitest";
import { amount, ofQueries, ofStorage, price } from "./cost";

test("prices are numbers of 0 or more", () => {
  expect([price("0.5"), price("0,5"), price("0"), price(""), price(null), price("-1"), price("x"), price("Infinity")]).toEqual([0.5, 0.5, 0, null, null, null, null, null]);
});

test("hours of queries and gigabytes have their prices", () => {
  expect(ofQueries(1_800_000, { hour: 2, gigabyte: null })).toBe(1);
  expect(ofStorage(5e8, { hour: null, gigabyte: 0.02 })).toBeCloseTo(0.01);
  expect(ofQueries(1, { hour: null, gigabyte: 1 })).toBeNull();
});

test("small amounts are not rounded to nothing", () => {
  expect(amount(0.000123)).toMatch(/0[.,]00012/);
  expect(amount(12.345)).toMatch(/12[.,]3[45]/);
  expect(amount(null)).toBe("");
});
