import { expect, test } from "vitest";
import { picked } from "./pick";

const day = { name: "day", type: "timestamp" };
const kind = { name: "kind", type: "text" };
const n = { name: "n", type: "bigint" };
const at = Date.parse("2026-11-30T00:00:00Z");

test("a click on an axis of time tells the moment, not how it is written", () => {
  const rows = [["2026-11-22T00:00:00", 3], ["2026-11-19T00:00:00", 1], ["2026-11-18T00:00:00", 2]];
  const spec = { kind: "bar" as const, x: "day", y: ["n"] };
  // Two days are missing before the last one, and have their places.
  expect(picked(spec, [day, n], rows, at, { name: "Nov 22", dataIndex: 4 })).toBe("2026-11-22T00:00:00");
  expect(picked(spec, [day, n], rows, at, { name: "Nov 20", dataIndex: 2 })).toBeNull();
  expect(picked(spec, [day, n], rows, at, { name: "Nov 30", dataIndex: 9 })).toBeNull();
});

test("names are told as the data has them", () => {
  const rows = [["de", 3], [null, 1], ["fr", 2]];
  expect(picked({ kind: "bar", x: "kind", y: ["n"] }, [kind, n], rows, at, { name: "fr", dataIndex: 2 })).toBe("fr");
  expect(picked({ kind: "bar", x: "kind", y: ["n"] }, [kind, n], rows, at, { name: "∅", dataIndex: 1 })).toBeNull();
  expect(picked({ kind: "map", x: "kind", y: ["n"] }, [kind, n], rows, at, { name: "Germany", dataIndex: 0 })).toBe("de");
  expect(picked({ kind: "pie", x: "kind", y: ["n"] }, [kind, n], rows, at, { name: "…", dataIndex: 9 })).toBeNull();
  expect(picked({ kind: "heatmap", x: "kind", y: ["n"] }, [kind, n], rows, at, { name: "fr", dataIndex: 2, value: [2, 0, 2] })).toBe("fr");
});
