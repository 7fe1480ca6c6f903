import { expect, it } from "vitest";
import { match, ownAddress } from "./router";

it("matches paths with names in any script", () => {
  expect(match("/data/:schema/:table", "/data/app/t%C3%A4bl%2F1")).toEqual({ schema: "app", table: "täbl/1" });
  expect(match("/data/:schema", "/data/app/t")).toBeNull();
  expect(match("/data/:schema", "/data/%E0%A4%A")).toBeNull();
  expect(match("/", "/")).toEqual({});
});

it("leads nowhere else after signing in", () => {
  const own = (wanted: string | null) => ownAddress(wanted, "https://weir.example");
  expect(own("/ask?x=1#sql")).toBe("/ask?x=1#sql");
  for (const wanted of [null, "", "https://evil.example/", "//evil.example/x", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"]) {
    expect(own(wanted)).toBe("/");
  }
});
