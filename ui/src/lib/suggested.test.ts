import { expect, test } from "vitest";
import { begin, type Builder } from "./builder";
import { suggested } from "./suggested";

const orders = begin({ schema: "main", table: "stg_orders" });
const named = (parts: Partial<Builder>) => suggested({ ...orders, ...parts });
const ref = (column: string) => ({ at: 0, column });

test("a question is called by what it asks", () => {
  expect(named({})).toBe("Rows of stg orders");
  expect(named({ measures: [{ fn: "count" }], groups: [{ ref: ref("ordered_at"), grain: "week" }] })).toBe("Count of stg orders by week");
  expect(named({ measures: [{ fn: "sum", ref: ref("total") }, { fn: "avg", ref: ref("shipping_cost") }], groups: [{ ref: ref("ordered_at"), grain: "day" }, { ref: ref("currency") }] })).toBe("Sum of total and average of shipping cost in stg orders by day and currency");
  expect(named({ groups: [{ ref: ref("currency") }] })).toBe("Different values of currency in stg orders");
});

test("it says what it leaves out, and not what is still being written", () => {
  const filters: Builder["filters"] = [
    { ref: ref("currency"), op: "is", value: "EUR" },
    { ref: ref("ordered_at"), op: "last", value: "30", other: "days" },
    { ref: ref("total"), op: "between", value: "1", other: "5" },
    { ref: ref("coupon"), op: "empty" },
    { ref: ref("user_id"), op: "is", value: "" },
  ];
  expect(named({ measures: [{ fn: "count" }], filters })).toBe("Count of stg orders where currency is EUR, ordered at in the last 30 days, total is between 1 and 5, and coupon is empty");
});

test("it is never longer than a name may be, and never half a letter", () => {
  const long = named({ filters: [{ ref: ref("x"), op: "is", value: "🌱".repeat(300) }] });
  expect(long.length).toBeGreaterThan(197);
  expect(long.length).toBeLessThanOrEqual(200);
  expect(long.endsWith("🌱…")).toBe(true);
});
