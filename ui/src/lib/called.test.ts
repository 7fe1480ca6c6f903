import { expect, test } from "vitest";
import { apart, called } from "./called";

const schedules = [
  { name: "delivery.5f2c", dashboard: "shop" },
  { name: "delivery.77aa", dashboard: "of others" },
  { name: "delivery.old", dashboard: null },
  { name: "nightly", dashboard: null },
];
const dashboards = [{ id: "shop", name: "Shop <b>" }];

test("deliveries are called by their dashboard, as far as one may see it", () => {
  expect(called("delivery.5f2c", schedules, dashboards)).toEqual({ text: "Delivery of Shop <b>", what: "Delivery of", about: { name: "Shop <b>", href: "/d/shop" } });
  for (const name of ["delivery.77aa", "delivery.old", "delivery.gone"]) expect(called(name, schedules, dashboards)).toEqual({ text: "Delivery of a dashboard" });
});

test("kept tables are called by their table", () => {
  expect(called("rollup.main.weekly orders.2", schedules, [])).toEqual({ text: "Kept table main.weekly orders.2", what: "Kept table", about: { name: "main.weekly orders.2", href: "/data/main/weekly%20orders.2" } });
});

test("what somebody named keeps its name", () => {
  for (const name of ["nightly", "delivery", "rollup.x", "deliveries.of"]) expect(called(name, schedules, dashboards)).toEqual({ text: name });
});

test("two deliveries of one dashboard are told apart", () => {
  expect(apart([["a", "Delivery of Shop"], ["b", "nightly"], ["c", "Delivery of Shop"]])).toEqual([["a", "Delivery of Shop"], ["b", "nightly"], ["c", "Delivery of Shop (2)"]]);
});
