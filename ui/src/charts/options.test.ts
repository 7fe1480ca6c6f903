import { expect, test } from "vitest";
import { cut, options, scale } from "./options";

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

const plainLook = { dark: false, ink: "black", quiet: "grey", line: "grey", sheet: "white" };
type Drawn = { series: { data: unknown[] }[]; xAxis: { data?: string[]; type: string } };

test("points along time stand where their moment is, whatever series they are of", () => {
  const columns = [{ name: "at", type: "date" }, { name: "v", type: "bigint" }, { name: "k", type: "text" }];
  const made = options({ kind: "scatter", x: "at", y: ["v"], series: "k" }, columns, [["2026-01-03", 1, "a"], ["1600-01-01", 2, "b"], [null, 3, "b"]], plainLook, 0) as unknown as Drawn;
  expect(made.xAxis.type).toBe("time");
  expect(made.series.map((one) => one.data)).toEqual([[[Date.UTC(2026, 0, 3), 1, "2026-01-03"]], [[Date.UTC(1600, 0, 1), 2, "1600-01-01"]]]);
});

test("a funnel has its empty steps, and no share of nothing", () => {
  const columns = [{ name: "step", type: "text" }, { name: "n", type: "bigint" }];
  const made = options({ kind: "funnel", x: "step", y: ["n"] }, columns, [["seen", 0], ["bought", 5], ["wrong", -1]], plainLook, 0) as unknown as { series: { data: { name: string; value: number }[]; label: { formatter(part: { name: string; value: number }): string } }[] };
  expect(made.series[0]?.data.map((part) => part.name)).toEqual(["seen", "bought"]);
  expect(made.series[0]?.label.formatter({ name: "bought", value: 5 })).toMatch(/bought\s+5 {2}\(–\)/);
});

test("a value between gaps has a mark", () => {
  const rows = Array.from({ length: 100 }, (_, i) => [`p${i}`, i % 2 ? null : i]);
  const made = options({ kind: "line", x: "p", y: ["v"] }, [{ name: "p", type: "text" }, { name: "v", type: "bigint" }], rows, plainLook, 0) as unknown as Drawn;
  expect(made.series[0]?.data[2]).toEqual({ value: 2, symbol: "circle" });
});

test("names are cut between letters", () => {
  expect(cut("🌱".repeat(40), 5)).toBe("🌱🌱🌱🌱…");
  expect(cut("short", 5)).toBe("short");
});

test("colours are of the values there are", () => {
  const of = (least: number, most: number) => (({ min, max }) => [min, max])(scale(plainLook, least, most) as { min: number; max: number });
  expect(of(85_000, 91_000)).toEqual([85_000, 91_000]);
  expect(of(10, 91)).toEqual([0, 91]);
  expect(of(-20, -10)).toEqual([-20, 0]);
  expect(of(42, 42)).toEqual([0, 42]);
  expect(of(0, 0)).toEqual([0, 1]);
});

test("lines are named at their ends where there is room for that, and have a legend elsewhere", () => {
  const columns = [{ name: "k", type: "text" }, { name: "n", type: "bigint" }, { name: "s", type: "text" }];
  const legend = (width: number, height: number, name = "y") => {
    const rows = [["a", 1, "x"], ["b", 2, "x"], ["a", 3, name], ["b", 4, name]];
    return (options({ kind: "line", x: "k", y: ["n"], series: "s" }, columns, rows, plainLook, 0, width, height) as unknown as { legend: { show: boolean } }).legend.show;
  };
  expect([legend(640, 320), legend(320, 320), legend(640, 60)]).toEqual([false, false, true]);
  expect([legend(640, 320, "a rather long name"), legend(320, 320, "a rather long name")]).toEqual([false, true]);
});
