import { afterEach, describe, expect, test, vi } from "vitest";
import { momentOf, wallOf } from "../lib/zone";
import { periodOf, periodText, timeline } from "./time";

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
  expect(timeline(["a", "b"], "text", 0)).toEqual({ period: null, places: ["a", "b"], from: [0, 1], open: false, zone: null, years: false });
  expect(timeline(["x", "2026-01-01"], "date", 0).period).toBeNull();
});

const texts = (made: ReturnType<typeof timeline>, type: string) => made.places.map((place) => (made.period ? periodText(place, type, made.period, made.zone) : String(place)));

describe.each(["America/Los_Angeles", "Pacific/Auckland", "Europe/Berlin", "UTC"])("in %s", (zone) => {
  afterEach(() => void vi.unstubAllEnvs());

  /** The modules as a browser there has them. */
  async function there() {
    vi.stubEnv("TZ", zone);
    vi.resetModules();
    const [time, format, clocks, spec] = await Promise.all([import("./time"), import("../lib/format"), import("../lib/zone"), import("./spec")]);
    expect(clocks.zone).toBe(zone);
    return { ...time, ...format, ...clocks, ...spec };
  }
  const named = (day: string) => new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" }).format(utc(`${day}T00:00:00`));

  test("a day is its own day", async () => {
    const { timeline, periodText, cell, moment, placeText } = await there();
    for (const [type, end] of [["date", ""], ["timestamp without time zone", "T00:00:00"]] as const) {
      const made = timeline(["2026-03-01", "2026-03-02", "2026-03-04"].map((day) => day + end), type, utc("2026-03-10T00:00:00"));
      expect(made.zone).toBeNull();
      expect(made.places.map((place) => periodText(place, type, "day", made.zone))).toEqual(["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"].map(named));
    }
    expect(cell("2026-03-01", "date")).toBe("2026-03-01");
    expect(placeText("2026-03-01", "date")).toBe("2026-03-01");
    expect(cell("2026-03-01T00:00:00", "timestamp without time zone")).toBe("2026-03-01 00:00");
    expect(moment("2026-03-01")).toContain("2026");
    expect(moment("2026-03-01")).not.toContain("Feb");
  });

  test("days that the server cut in UTC keep their names", async () => {
    const { timeline, periodText } = await there();
    const made = timeline(["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z"], "timestamp with time zone", utc("2026-03-04T10:00:00"));
    expect(made).toMatchObject({ period: "day", zone: "UTC", open: true, from: [0, 1, -1, 2] });
    expect(made.places.map((place) => periodText(place, "timestamp with time zone", "day", made.zone))).toEqual(["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"].map(named));
  });

  test("a day of the server's alone is told as its own", async () => {
    const { cell, placeText } = await there();
    const shown = cell("2026-03-01T00:00:00Z", "timestamp with time zone");
    expect([shown, placeText("2026-03-01T00:00:00Z", "timestamptz")].every((text) => text.includes("Mar") && !text.includes("Feb"))).toBe(true);
    expect(shown.endsWith("UTC")).toBe(zone !== "UTC");
    // Other moments are on these clocks.
    const before = cell("2026-03-01T00:00:01Z", "timestamp with time zone");
    expect(before.includes("Feb")).toBe(zone === "America/Los_Angeles");
  });

  test("days of these clocks are days, also when clocks change", async () => {
    const { timeline, periodText, momentOf } = await there();
    // Northern clocks go forward, southern ones back, and the other way round.
    for (const [first, last] of [["2026-03-05", "2026-04-08"], ["2026-09-24", "2026-11-03"]] as const) {
      const all: string[] = [];
      for (let day = utc(`${first}T00:00:00`); day <= utc(`${last}T00:00:00`); day += 86_400_000) all.push(new Date(momentOf(day, zone)).toISOString());
      const kept = all.filter((_, i) => i === 0 || i === all.length - 1 || i % 3 !== 1);
      const made = timeline(kept, "timestamptz", Date.parse(all.at(-1) ?? "") + 3_600_000);
      expect(made).toMatchObject({ period: "day", zone, open: true });
      expect(made.places).toEqual(all);
      expect(made.from.filter((from) => from < 0)).toHaveLength(all.length - kept.length);
      expect(periodText(made.places[0], "timestamptz", "day", made.zone)).toBe(named(first));
      expect(periodText(made.places.at(-1), "timestamptz", "day", made.zone)).toBe(named(last));
    }
  });

  test("months of these clocks have their names", async () => {
    const { timeline, periodText, momentOf } = await there();
    const months = [1, 2, 4].map((month) => new Date(momentOf(Date.UTC(2026, month - 1, 1), zone)).toISOString());
    const made = timeline(months, "timestamptz", utc("2026-06-01T00:00:00"));
    expect(made).toMatchObject({ period: "month", zone, open: false, from: [0, 1, -1, 2] });
    expect(made.places.map((place) => periodText(place, "timestamptz", "month", made.zone))).toEqual([0, 1, 2, 3].map((month) => new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric", timeZone: "UTC" }).format(Date.UTC(2026, month, 1))));
  });

  test("an hour that clocks skip is no gap, one that is missing is", async () => {
    const { timeline } = await there();
    const hours = (from: string, to: string) => Array.from({ length: (utc(to) - utc(from)) / 3_600_000 + 1 }, (_, i) => new Date(utc(from) + i * 3_600_000).toISOString());
    // Both changes of each of these zones.
    for (const [from, to] of [["2026-03-08T06:00:00", "2026-03-08T14:00:00"], ["2026-11-01T05:00:00", "2026-11-01T13:00:00"], ["2026-04-04T10:00:00", "2026-04-04T18:00:00"], ["2026-09-26T10:00:00", "2026-09-26T18:00:00"], ["2026-03-28T22:00:00", "2026-03-29T05:00:00"]] as const) {
      const all = hours(from, to);
      expect(timeline(all, "timestamptz", 0).from).toEqual(all.map((_, i) => i));
      const less = all.filter((_, i) => i !== 4);
      expect(timeline(less, "timestamptz", 0).places).toEqual(all);
    }
  });
});

test("days of a third zone's clocks are told by when they began, once each", () => {
  // Berlin's midnights across its change of clocks, looked at from elsewhere.
  const berlin = ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-31T22:00:00Z"];
  const made = timeline(berlin, "timestamptz", 0, "America/Los_Angeles");
  expect(made.from).toEqual([0, 1, 2, -1, 3]);
  expect(texts(made, "timestamptz")[0]).toMatch(/27.*16|27.*0?4:00/);
});

test("clocks that are skipped or shown twice", () => {
  expect(momentOf(utc("2026-03-08T02:30:00"), "America/Los_Angeles")).toBe(utc("2026-03-08T10:30:00"));
  expect(wallOf(utc("2026-11-01T08:30:00"), "America/Los_Angeles")).toBe(utc("2026-11-01T01:30:00"));
  expect(wallOf(utc("2026-11-01T09:30:00"), "America/Los_Angeles")).toBe(utc("2026-11-01T01:30:00"));
  expect(wallOf(utc("1969-12-31T23:59:59.250"), "Pacific/Auckland")).toBe(utc("1970-01-01T11:59:59.250"));
});

test("few days of many centuries are not filled up with those that are missing", () => {
  const far = Array.from({ length: 50 }, (_, i) => new Date(Date.UTC(1600, 0, 1) + i * 1000 * 86_400_000).toISOString().slice(0, 10));
  const { period, places, from } = timeline(far, "date", 0);
  expect([period, places.length, from.at(-1)]).toEqual([null, 50, 49]);
  const days = Array.from({ length: 3_000 }, (_, i) => new Date(i * 86_400_000).toISOString().slice(0, 10)).filter((_, i) => i !== 2_900);
  const filled = timeline(days, "date", 0);
  expect([filled.period, filled.places.length, filled.from[2_900]]).toEqual(["day", 3_000, -1]);
});

test("places of several years tell which", () => {
  expect(timeline(["1969-12-31", "1970-01-01"], "date", 0).years).toBe(true);
  expect(timeline(["2026-01-01", "2026-01-02"], "date", 0).years).toBe(false);
  expect(periodText("1951-06-01", "date", "day", null, true)).toContain("1951");
  expect(periodText("1951-06-01", "date", "day", null, false)).not.toContain("1951");
});
