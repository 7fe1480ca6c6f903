import { expect, test } from "vitest";
import { tableName } from "./rollup";

test("a question's name becomes a table's", () => {
  expect(tableName("Orders by day")).toBe("orders_by_day");
  expect(tableName("  Größe & Ümlaut! ")).toBe("gro_e_u_mlaut");
  expect(tableName("2026: sales")).toBe("t_2026_sales");
  expect(tableName("日本語")).toBe("answer");
});
