import { expect, test } from "vitest";
import { options } from "./options";

const look = { dark: false, ink: "#000", quiet: "#555", line: "#ddd", sheet: "#fff" };
const columns = [
  { name: "who", type: "text" },
  { name: "n", type: "bigint" },
];

function labels(names: string[], width: number) {
  const made = options({ kind: "bar", x: "who", y: ["n"] }, columns, names.map((name, i) => [name, i]), look, 0, width);
  return (made?.xAxis as { axisLabel: { rotate?: number; interval?: unknown; width?: number; hideOverlap: boolean } }).axisLabel;
}

const long = Array.from({ length: 10 }, (_, i) => `${i}th of the long names`);

test("names of bars have room, are cut, or are turned; none lies over another", () => {
  expect(labels(["a", "b", "c"], 360)).toMatchObject({ interval: 0, rotate: 0 });
  expect(labels(long, 1400)).toMatchObject({ interval: 0, rotate: 0 });
  const cut = labels(long, 700);
  expect(cut).toMatchObject({ interval: 0, rotate: 0 });
  expect((cut.width ?? 0) * long.length).toBeLessThan(700);
  expect(labels(long, 340)).toMatchObject({ interval: 0, rotate: 50 });
  // Cut, both would be the same.
  expect(labels(["Product Viewed", "Product Added", "Signed Up", "Paid"], 330)).toMatchObject({ rotate: 50 });
  // Of many, those that do not touch.
  expect(labels(Array.from({ length: 60 }, (_, i) => `name ${i}`), 340)).toMatchObject({ hideOverlap: true });
});

test("a pie's names stand around it, or in a list where there is no room for that", () => {
  const pie = (width: number, height: number) => options({ kind: "pie", x: "who", y: ["n"] }, columns, [["window sill", 1], ["a balcony", 3]], look, 0, width, height) as { legend: { show?: boolean; formatter(name: string): string }; series: { radius: number[] }[] };
  expect(pie(900, 400).legend.show).toBe(false);
  const narrow = pie(320, 120);
  expect(narrow.legend.show).toBeUndefined();
  expect(narrow.legend.formatter("a balcony")).toContain("75 %");
  // Neither over its edges nor over the list.
  expect(narrow.series[0]?.radius[1]).toBeLessThan(60);
  expect(pie(320, 900).series[0]?.radius[1]).toBeLessThan(80);
});
