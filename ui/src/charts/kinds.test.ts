import { expect, test } from "vitest";
import { boxes, countryName, flows, globeColumns, plainName, quantile } from "./kinds";

const column = (name: string, type = "text") => ({ name, type });

test("quartiles are R's and numpy's", () => {
  expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
  expect(quantile([1, 2, 3, 4, 5], 0.5)).toBe(3);
  expect(quantile([7], 0.9)).toBe(7);
});

test("what lies far out is beyond the whiskers", () => {
  const [box] = boxes({ kind: "box", y: ["n"] }, [column("n", "bigint")], [1, 2, 3, 4, 5, 100].map((n) => [n]));
  expect(box?.five[4]).toBe(5);
  expect(box?.beyond).toEqual([100]);
});

test("flows add up, and circles stand on both sides", () => {
  const columns = [column("a"), column("b"), column("n", "bigint")];
  const spec = { kind: "sankey" as const, x: "a", series: "b", y: ["n"] };
  expect(flows(spec, columns, [["x", "y", 1], ["x", "y", 2], ["y", "z", 1]])).toEqual([
    { source: "x", target: "y", value: 3 },
    { source: "y", target: "z", value: 1 },
  ]);
  const around = flows(spec, columns, [["x", "y", 1], ["y", "x", 1]]) ?? [];
  expect(around.map((flow) => [flow.source, plainName(flow.target)])).toEqual([["x", "y"], ["y", "x"]]);
  expect(new Set(around.flatMap((flow) => [flow.source, flow.target])).size).toBe(4);
});

test("places on the globe", () => {
  expect(globeColumns([column("id"), column("home_lat", "double precision"), column("home_lng", "double precision")])).toEqual({ lat: "home_lat", lon: "home_lng" });
  expect(globeColumns([column("latency", "double precision")])).toBeNull();
  expect(countryName("de")).toBe("Germany");
  expect(countryName("US")).toBe("United States of America");
  expect(countryName("Czech Republic")).toBe("Czechia");
  expect(countryName("<b>")).toBe("<b>");
});

test("countries are known in any case", () => {
  expect(["germany", "FRANCE", "new zealand", "de", "Côte d'Ivoire"].map(countryName)).toEqual(["Germany", "France", "New Zealand", "Germany", "Côte d'Ivoire"]);
});
