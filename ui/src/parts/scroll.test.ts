import { expect, test } from "vitest";
import { HEAD, heightOf, HIGHEST, LINE, positionFor, positionOf, rowsAt, scrollTopOf } from "./scroll";

const VIEW = 600;
const seen = (scrollTop: number, count: number) => {
  const position = positionOf(scrollTop, count, VIEW);
  // Wholly within what is seen below the head.
  return [Math.ceil(position / LINE), Math.floor((position + VIEW - HEAD) / LINE) - 1];
};

test("rows that fit are where they are", () => {
  expect(heightOf(1_000)).toBe(HEAD + 1_000 * LINE);
  expect(positionOf(1_234, 1_000, VIEW)).toBe(1_234);
  expect(scrollTopOf(1_234, 1_000, VIEW)).toBe(1_234);
  expect(positionOf(0, 3, VIEW)).toBe(0);
  expect(rowsAt(0, 3, VIEW)).toEqual([0, 2]);
  expect(rowsAt(0, 0, VIEW)[1]).toBe(-1);
});

test("of ten million, the first and the last are seen, and every one between", () => {
  const count = 10_000_000;
  expect(heightOf(count)).toBe(HIGHEST);
  expect(seen(0, count)[0]).toBe(0);
  expect(seen(HIGHEST - VIEW, count)[1]).toBe(count - 1);
  let next = 0;
  // A pixel of the scroll bar skips no row; looked at from both ends and in the middle.
  for (const from of [0, 7_000_000, HIGHEST - VIEW - 5_000]) {
    next = seen(from, count)[0] ?? 0;
    for (let top = from; top <= from + 5_000; top += 1) {
      const [first = 0, last = 0] = seen(top, count);
      expect(first).toBeLessThanOrEqual(next);
      next = last + 1;
    }
  }
  expect(next).toBe(count);
});

test("a row that is asked for is seen, and the scroll bar says where that is", () => {
  const count = 10_000_000;
  for (const row of [0, 1, 535_713, 535_714, 5_000_001, count - 1]) {
    const position = positionFor(row, 3_000_000, count, VIEW);
    expect(row * LINE).toBeGreaterThanOrEqual(position);
    expect(HEAD + (row + 1) * LINE).toBeLessThanOrEqual(position + VIEW);
    const [first, last] = rowsAt(position, count, VIEW);
    expect(first <= row && row <= last).toBe(true);
    expect(positionOf(scrollTopOf(position, count, VIEW), count, VIEW)).toBeCloseTo(position, 3);
  }
  expect(positionFor(5, 100, 1_000, VIEW)).toBe(100);
});
