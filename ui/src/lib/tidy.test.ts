import { expect, test } from "vitest";
import { tidy } from "./tidy";

test("parameters and quotes stay what they were", async () => {
  const sql = await tidy(`select a,"B c",'it''s' from shop.tracks where event_text={{ event }} and n>$1 and t::date='2026-01-01'`);
  expect(sql).toContain("{{ event }}");
  expect(sql).toContain("$1");
  expect(sql).toContain(`'it''s'`);
  expect(sql.split("\n")[0]).toBe("select");
});
