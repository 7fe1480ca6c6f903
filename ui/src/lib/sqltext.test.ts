import { expect, it } from "vitest";
import { firstWord, isQuestion, numbered, parameterNames, quoted, statementAt, statements } from "./sqltext";

it("divides statements, and not quotes and comments", () => {
  const text = "select ';' ; -- a; b\nselect $x$;$x$; /* ; /* ; */ ; */ select \"a;b\"";
  expect(statements(text).map((statement) => statement.text)).toEqual([
    "select ';'",
    "-- a; b\nselect $x$;$x$",
    '/* ; /* ; */ ; */ select "a;b"',
  ]);
});

it("finds the statement under the cursor", () => {
  const text = "select 1;\n\nselect 2;\n";
  expect(statementAt(text, 3)?.text).toBe("select 1");
  expect(statementAt(text, 12)?.text).toBe("select 2");
  expect(statementAt(text, text.length)?.text).toBe("select 2");
  expect(statementAt("  ", 1)).toBeUndefined();
});

it("tells questions from the rest", () => {
  expect(isQuestion("-- hello\n (select 1)")).toBe(true);
  expect(isQuestion("with a as (select 1) select * from a")).toBe(true);
  expect(isQuestion("insert into t values (1)")).toBe(false);
  expect(firstWord("/* x */explain select 1")).toBe("EXPLAIN");
});

it("finds parameters outside of quotes", () => {
  expect(parameterNames("select {{ a }}, '{{b}}', {{c_1}}, {{a}} -- {{d}}")).toEqual(["a", "c_1"]);
});

it("quotes names", () => {
  expect(quoted("plain_1")).toBe("plain_1");
  expect(quoted('Grüße "x"')).toBe('"Grüße ""x"""');
});

it("numbers parameters, each name once, and moves nothing", () => {
  expect(numbered("select '{{a}}', {{b}} -- {{c}}\nwhere x = {{ a }} or y = {{b}}")).toEqual({ sql: "select '{{a}}', $1    -- {{c}}\nwhere x = $2      or y = $1   ", names: ["b", "a"] });
});
