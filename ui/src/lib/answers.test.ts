import { expect, test } from "vitest";
import { latest } from "./answers";
import { OWN } from "./rows";

test("each of what was asked is told once, and what the application asks is not", () => {
  const answer = (id: string, sql: string, params: unknown[] = [], question: string | null = null) => ({ id, sql, params, question });
  const all = [
    answer("1", "select 1"),
    answer("2", `${OWN} select distinct x from t`),
    answer("3", "select $1", ["a"], "q1"),
    answer("4", "select 1"),
    answer("5", "select $1 -- an older version", ["a"], "q1"),
    answer("6", "select $1", ["b"], "q1"),
  ];
  expect(latest(all).map((one) => one.id)).toEqual(["1", "3", "6"]);
  expect(latest(all, 2).map((one) => one.id)).toEqual(["1", "3"]);
});
