import { expect, it } from "vitest";
import { fromHash, toHash } from "./sheets";

it("brings a state through an address", () => {
  const sheet = { sql: "select '#&=+ %' as \"grüße\"\n-- 日本", view: "both" as const, chart: { kind: "bar" as const, x: "a", y: ["b"] }, params: { day: "2026-01-01" } };
  expect(fromHash(toHash(sheet))).toEqual(sheet);
});

it("takes what somebody else wrote for what it is", () => {
  expect(fromHash("")).toBeNull();
  expect(fromHash("sql=x&view=evil&chart=%7B&params=[1]")).toEqual({ sql: "x", view: "table", chart: undefined, params: undefined });
});
