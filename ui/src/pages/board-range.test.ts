import { expect, test } from "vitest";
import { daysOf, rangeText, today } from "./board-range";

// The same table is in `weir-serve/src/documents/range.rs`.
test("ranges are of their day", () => {
  const told = (text: string, now: string) => {
    const days = daysOf(text, now);
    return days && `${days.from ?? "-"} ${days.to ?? "-"}`;
  };
  for (const [text, now, wanted] of [
    ["today", "2026-11-22", "2026-11-22 2026-11-23"],
    ["yesterday", "2026-03-01", "2026-02-28 2026-03-01"],
    ["last_7_days", "2026-01-03", "2025-12-28 2026-01-04"],
    ["last_28_days", "2026-11-22", "2026-10-26 2026-11-23"],
    ["last_90_days", "2026-11-22", "2026-08-25 2026-11-23"],
    ["last_1_days", "2026-11-22", "2026-11-22 2026-11-23"],
    ["this_week", "2026-11-22", "2026-11-16 2026-11-23"],
    ["this_week", "2026-11-23", "2026-11-23 2026-11-30"],
    ["this_month", "2028-02-29", "2028-02-01 2028-03-01"],
    ["last_month", "2026-03-31", "2026-02-01 2026-03-01"],
    ["last_month", "2026-01-15", "2025-12-01 2026-01-01"],
    ["this_quarter", "2026-11-22", "2026-10-01 2027-01-01"],
    ["this_quarter", "2026-03-31", "2026-01-01 2026-04-01"],
    ["this_year", "2026-11-22", "2026-01-01 2027-01-01"],
    ["2026-01-01..", "2026-11-22", "2026-01-01 -"],
    ["..2026-01-31", "2026-11-22", "- 2026-02-01"],
    ["2026-01-01..2026-01-31", "2026-11-22", "2026-01-01 2026-02-01"],
    ["2026-01-01..2026-01-01", "2026-11-22", "2026-01-01 2026-01-02"],
  ] as const) {
    expect(told(text, now), `${text} on ${now}`).toBe(wanted);
  }
});

test("what is no range is none", () => {
  for (const text of ["", "..", "last_0_days", "last_99999_days", "last_x_days", "2026-01-31..2026-01-01", "2026-02-30..", "2026-01-01", "a..b", "2026-01-01..2026-01-02..2026-01-03"]) {
    expect(daysOf(text, "2026-11-22"), text).toBeNull();
  }
});

test("days are in order, and of the viewer's calendar", () => {
  expect(rangeText("2026-02-01", "2026-01-01")).toBe("2026-01-01..2026-02-01");
  expect(rangeText("2026-02-01", "")).toBe("2026-02-01..");
  const late = new Date("2026-11-22T23:30:00Z");
  expect(today(late, "UTC")).toBe("2026-11-22");
  expect(today(late, "Asia/Tokyo")).toBe("2026-11-23");
});
