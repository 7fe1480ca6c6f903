import { expect, test } from "vitest";
import { periodOf, timeline } from "./time";

const utc = (text: string) => Date.parse(`${text}Z`);
const days = ["2026-11-18", "2026-11-19", "2026-11-22"];

test("periods are told by what lies between", () => {
  expect(periodOf(days.map((day) => utc(`${day}T00:00:00`)))).toBe("day");
  expect(periodOf(["2026-01-01", "2026-02-01", "2026-04-01"].map((day) => utc(`${day}T00:00:00`)))).toBe("month");
  expect(periodOf(["2026-01-01", "2026-04-01", "2026-07-01"].map((day) => utc(`${day}T00:00:00`)))).toBe("quarter");
  expect(periodOf(["2026-11-02", "2026-11-09", "2026-11-23"].map((day) => utc(`${day}T00:00:00`)))).toBe("week");
  expect(periodOf([utc("2026-11-02T10:00:00"), utc("2026-11-02T11:00:00")])).toBe("hour");
  expect(periodOf([utc("2026-11-02T10:00:00.123"), utc("2026-11-02T11:00:03.5")])).toBeNull();
  // A day on which clocks change has 23 hours.
  expect(periodOf([utc("2026-03-27T23:00:00"), utc("2026-03-28T23:00:00"), utc("2026-03-29T22:00:00")])).toBe("day");
});

test("what is missing is there, and empty; the last day is open until it ends", () => {
  const during = timeline(days, "date", utc("2026-11-22T09:00:00"));
  expect(during.from).toEqual([0, 1, -1, -1, 2]);
  expect(during.places[2]).toBe("2026-11-20T00:00:00");
  expect(during.open).toBe(true);
  expect(timeline(days, "date", utc("2026-11-25T00:00:01")).open).toBe(false);
});

test("what is no time stays as it is", () => {
  expect(timeline(["a", "b"], "text", 0)).toEqual({ period: null, places: ["a", "b"], from: [0, 1], open: false });
  expect(timeline(["x", "2026-01-01"], "date", 0).period).toBeNull();
});
