import { CompletionContext } from "@codemirror/autocomplete";
import { EditorState } from "@codemirror/state";
import { expect, test } from "vitest";
import { type Catalogue, columnOffers, completeColumns, sourcesOf } from "./completion";

const catalogue: Catalogue = {
  main: { orders: [{ name: "id", type: "bigint" }, { name: "total", type: "numeric" }], customers: [{ name: "id", type: "bigint" }, { name: "Größe", type: "text" }] },
  dev_anna: { orders: [{ name: "draft", type: "boolean" }] },
};
const labels = (sql: string, qualifier: string | null = null, schema = "x") => columnOffers(sql, qualifier, catalogue, schema).map((one) => one.label);

test("tables are found wherever they are read", () => {
  expect(sourcesOf("select extract(day from at) from main.Orders as o left join customers c on true, x")).toEqual([
    { schema: undefined, table: "at", alias: undefined },
    { schema: "main", table: "orders", alias: "o" },
    { schema: undefined, table: "customers", alias: "c" },
  ]);
  expect(sourcesOf('select 1 from a, "B c" b where x in (select y from "d""e"."f" /* from g */) -- from h\n and \'from i\' = z').map((one) => one.table)).toEqual(["a", "B c", "f"]);
  expect(sourcesOf("select from where")).toEqual([]);
  expect(sourcesOf("select * from")).toEqual([]);
});

test("columns of the statement's tables, alone and behind a name", () => {
  const sql = "select  from orders o join customers on customers.id = o.id";
  expect(labels(sql)).toEqual(["id", "total", "Größe"]);
  expect(labels(sql, "o")).toEqual(["id", "total"]);
  expect(labels(sql, "customers")).toEqual(["id", "Größe"]);
  // What has another name is not known by its own.
  expect(labels(sql, "orders")).toEqual([]);
  expect(labels("select from orders", null, "dev_anna")).toEqual(["draft"]);
  expect(columnOffers(sql, "customers", catalogue, "x")[1]).toMatchObject({ apply: '"Größe"', detail: "text" });
});

test("only this statement counts", () => {
  const text = "select * from customers; select to from orders o";
  const at = (pos: number, doc = text) => completeColumns(catalogue, "main")(new CompletionContext(EditorState.create({ doc }), pos, false));
  expect(at(text.indexOf("to from") + 2)).toMatchObject({ from: text.indexOf("to from"), options: [{ label: "id" }, { label: "total", detail: "numeric" }] });
  expect(at("select o.".length, "select o. from orders o")?.options).toHaveLength(2);
  expect(at("select ".length, "select  from orders o")).toBeNull();
});
