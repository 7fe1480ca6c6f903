import { expect, test } from "vitest";
import { headline } from "./headline";

const day = { name: "day", type: "date" };
const n = { name: "n", type: "bigint" };
const spec = { kind: "number" as const, y: ["n"] };
const later = Date.parse("2026-12-24T00:00:00Z");

test("the newest period is shown, whatever order rows come in", () => {
  const rows = [["2026-11-20", 10], ["2026-11-22", 30], ["2026-11-21", 20]];
  const made = headline(spec, [day, n], rows, later);
  expect(made).toMatchObject({ value: 30, before: 20, change: 0.5, open: false });
  expect(made?.time?.place).toBe("2026-11-22");
  expect(headline({ ...spec, x: "n" }, [day, n], [...rows].reverse(), later)?.value).toBe(30);
});

test("a period that is not over is marked", () => {
  const rows = [["2026-11-22", 3], ["2026-11-21", 20]];
  expect(headline(spec, [day, n], rows, Date.parse("2026-11-22T12:00:00"))?.open).toBe(true);
  expect(headline(spec, [day, n], rows, later)?.open).toBe(false);
});

test("rows of one period add up, and what has no time is in none", () => {
  const rows = [["2026-11-21", 1], [null, 99], ["2026-11-22", 2], ["2026-11-22", 5], ["2026-11-21", 4]];
  expect(headline(spec, [day, n], rows, later)).toMatchObject({ value: 7, before: 5 });
  expect(headline(spec, [day, n], [["2026-11-21", "9007199254740993"]], later)?.value).toBe("9007199254740993");
});

test("without time it is the first row", () => {
  expect(headline(spec, [{ name: "kind", type: "text" }, n], [["b", 4], ["a", 8]], later)).toEqual({ value: 4, before: 8, change: -0.5, open: false });
  expect(headline(spec, [n], [[0]], later)).toMatchObject({ value: 0, change: null });
  expect(headline({ ...spec, y: ["gone"] }, [n], [[0]], later)).toBeNull();
});
