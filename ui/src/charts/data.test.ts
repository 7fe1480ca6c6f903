import { expect, test } from "vitest";
import { csv, shown } from "./data";

const column = (name: string, type = "text") => ({ name, type });
const at = Date.parse("2026-11-22T12:00:00Z");

test("series stand beside each other, and missing periods keep their place", () => {
  const columns = [column("day", "date"), column("who"), column("n", "bigint")];
  const rows = [
    ["2026-11-18", "a", 1],
    ["2026-11-19", "a", 2],
    ["2026-11-21", "b", 3],
    ["2026-11-21", "b", 4],
  ];
  const made = shown({ kind: "line", x: "day", y: ["n"], series: "who" }, columns, rows, at);
  expect(made.heads).toEqual(["day", "a", "b"]);
  expect(made.lines.map((line) => [String(line[0]).slice(0, 10), ...line.slice(1)])).toEqual([
    ["2026-11-18", 1, null],
    ["2026-11-19", 2, null],
    ["2026-11-20", null, null],
    ["2026-11-21", null, 7],
  ]);
});

test("each kind has what it draws", () => {
  const columns = [column("who"), column("to"), column("n", "bigint")];
  const rows = [
    ["a", "b", 1],
    ["a", "c", 3],
    ["b", "c", 5],
  ];
  const of = (kind: "pie" | "histogram" | "box" | "sankey" | "scatter" | "bar" | "map") => shown({ kind, x: "who", y: ["n"], series: kind === "sankey" ? "to" : undefined }, columns, rows, at);
  expect(of("pie")).toEqual({ heads: ["who", "n"], lines: [["a", 4], ["b", 5]] });
  expect(of("bar")).toEqual(of("pie"));
  expect(of("scatter").lines).toEqual([["a", 1], ["a", 3], ["b", 5]]);
  expect(of("map")).toEqual(of("scatter"));
  expect(of("sankey").lines).toEqual([["b", "c", 5], ["a", "c", 3], ["a", "b", 1]]);
  expect(of("box").lines[0]).toEqual(["a", 1, 1.5, 2, 2.5, 3, ""]);
  expect(of("histogram").lines.reduce((sum, line) => sum + Number(line[2]), 0)).toBe(3);
});

test("text is no formula, and numbers stay", () => {
  const text = csv({ heads: ["=a", 'b"c'], lines: [["=cmd|' /C calc'!A0", -1], ["-2.5", null], ["two\nlines", "a,b"], ["+x", true], ["-Infinity", "NaN"]] });
  expect(text).toBe(`'=a,"b""c"\n'=cmd|' /C calc'!A0,-1\n-2.5,\n"two\nlines","a,b"\n'+x,true\n-Infinity,NaN\n`);
});
