import { expect, test } from "vitest";
import { cronWords } from "./cron";

test("cron lines are said as people say them, or not at all", () => {
  expect(cronWords("30 3 * * *")).toBe("every day at 03:30");
  expect(cronWords("*/5 * * * *")).toBe("every 5 minutes");
  expect(cronWords("*/7 * * * *")).toBeNull();
  expect(cronWords("0 * * * *")).toBe("every hour");
  expect(cronWords("15 * * * *")).toBe("every hour, 15 minutes past");
  expect(cronWords("0 8 * * 1-5")).toBe("on working days at 08:00");
  expect(cronWords("0 6 * * 0")).toBe("every Sunday at 06:00");
  expect(cronWords("0 6 * * 7")).toBe("every Sunday at 06:00");
  expect(cronWords("0 8 1 * *")).toBe("on the first of each month at 08:00");
  expect(cronWords("0 8 1 * 1")).toBeNull();
  expect(cronWords("0 8 * 6 *")).toBeNull();
  expect(cronWords("0 8,20 * * *")).toBeNull();
  expect(cronWords("0 0 8 * * *")).toBeNull();
  expect(cronWords("")).toBeNull();
});
