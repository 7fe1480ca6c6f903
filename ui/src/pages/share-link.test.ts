import { expect, it } from "vitest";
import { frozenLink, type LookedAt, lookedAt } from "./share-link";

const read = (link: string) => lookedAt(link.split("#")[1] ?? "");

it("a frozen answer opens as it was shared", () => {
  const shared: LookedAt = { name: "Umsatz & <b>日本</b>", view: "chart", chart: { kind: "bar", x: "day", y: ["n", "m"], series: "who", stacked: true } };
  expect(read(frozenLink("abc", shared))).toEqual(shared);
  expect(frozenLink("abc", {})).toBe("/r/abc");
});

it("a link that somebody wrote is read as far as it makes sense", () => {
  for (const hash of ["", "chart=%7B", "chart=3", "chart=[]", "view=x&chart=%7B%22kind%22:%22script%22%7D", "%%%"]) {
    expect(lookedAt(hash), hash).toEqual({ name: undefined, view: undefined, chart: undefined });
  }
  expect(lookedAt(`chart=${encodeURIComponent('{"kind":"pie","x":3,"y":[1,"n"],"__proto__":{"a":1}}')}`).chart).toEqual({ kind: "pie", y: ["n"] });
  expect(lookedAt(`name=${"x".repeat(300)}`).name).toHaveLength(200);
});
