import { expect, test } from "vitest";
import { named, spread } from "./ends";

test("names that have room stand at the ends of their lines", () => {
  expect(spread([20, 80, 50], 0, 200)).toEqual([20, 80, 50]);
});

test("names that would touch are pushed apart around where they want to be, in their order", () => {
  expect(spread([100, 100], 0, 200, 20)).toEqual([90, 110]);
  expect(spread([100, 104, 40], 0, 200, 20)).toEqual([92, 112, 40]);
  // One that is pushed into another pushes that, too.
  expect(spread([60, 63, 81], 0, 200, 20)).toEqual([48, 68, 88]);
});

test("no name leaves the drawing", () => {
  expect(spread([200, 199, 2], 0, 200, 20)).toEqual([190, 170, 10]);
  expect(spread([0, 0, 0], 0, 60, 20)).toEqual([10, 30, 50]);
});

test("names keep their distance wherever lines end", () => {
  // A generator of its own: the same numbers each time.
  let seed = 7;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 200; round += 1) {
    const wanted = Array.from({ length: 1 + Math.floor(random() * 5) }, () => random() * 120);
    const at = spread(wanted, 0, 120, 15);
    const sorted = at.map((y, i) => [y, wanted[i] ?? 0] as const).sort((a, b) => a[0] - b[0]);
    for (const [i, [y, want]] of sorted.entries()) {
      expect(y).toBeGreaterThanOrEqual(7.5 - 1e-9);
      expect(y).toBeLessThanOrEqual(112.5 + 1e-9);
      const [before, wantedBefore] = sorted[i - 1] ?? [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
      expect(y - before).toBeGreaterThanOrEqual(15 - 1e-9);
      expect(want).toBeGreaterThanOrEqual(wantedBefore);
    }
  }
});

test("names without room are left to the legend", () => {
  expect(named(5, 75)).toBe(true);
  expect(named(5, 74)).toBe(false);
});
