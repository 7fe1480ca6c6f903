import { expect, test } from "vitest";
import { builtAt, tableKey } from "./models";

const changes = (tables: string[], views: string[] = []) => JSON.stringify({ tables: tables.map((name) => ({ schema: "main", name })), views: views.map((name) => ({ schema: "main", name })) });

test("each table and view was built when it was published last", () => {
  const built = builtAt([
    { published_at: "2026-11-23T05:00:00Z", changes: changes(["orders"]) },
    { published_at: "2026-11-23T04:30:00Z", changes: "no JSON" },
    { published_at: "2026-11-23T04:20:00Z", changes: "null" },
    { published_at: "2026-11-23T04:00:00Z", changes: changes(["orders", "a.b"], ["customers"]) },
  ]);
  expect(built.get(tableKey("main", "orders"))).toBe("2026-11-23T05:00:00Z");
  expect(built.get(tableKey("main", "customers"))).toBe("2026-11-23T04:00:00Z");
  expect(built.get(tableKey("main", "a.b"))).toBe("2026-11-23T04:00:00Z");
  expect(built.get(tableKey("main.a", "b"))).toBeUndefined();
});
