import { describe, expect, test } from "vitest";
import { begin, type Builder, chartOf, fromAddress, joinsOf, parametersOf, readBuilder, sqlOf, toAddress, unasked, withoutJoin } from "./builder";
import type { ColumnFact } from "./catalogue";
import type { Model } from "./models";

const facts: ColumnFact[] = [
  ["orders", "id", "bigint"],
  ["orders", "customer_id", "text"],
  ["orders", "total", "double precision"],
  ["orders", "at", "timestamp with time zone"],
  ["orders", "Größe", "text"],
  ["customers", "customer_id", "text"],
  ["customers", "segment", "text"],
].map(([table, column, type]) => ({ table_schema: "main", table_name: table ?? "", column_name: column ?? "", data_type: type ?? "" }));

const orders = begin({ schema: "main", table: "orders" });
const ref = (column: string, at = 0) => ({ at, column });

describe("sqlOf", () => {
  test("a table alone is all of its rows", () => {
    expect(sqlOf(orders, facts)).toBe("select *\nfrom main.orders\nlimit 1000");
  });

  test("groups, measures, grain in a zone", () => {
    const asked: Builder = {
      ...orders,
      zone: "Europe/Berlin",
      groups: [{ ref: ref("at"), grain: "week" }, { ref: ref("Größe") }],
      measures: [{ fn: "count" }, { fn: "sum", ref: ref("total") }, { fn: "distinct", ref: ref("customer_id") }],
    };
    expect(sqlOf(asked, facts)).toBe(
      `select
  date_trunc('week', at at time zone 'Europe/Berlin') as week,
  "Größe",
  count(*) as count,
  sum(total) as sum_total,
  count(distinct customer_id) as distinct_customer_id
from main.orders
group by 1, 2
order by 1
limit 1000`,
    );
  });

  test("values are only ever values", () => {
    const asked: Builder = {
      ...orders,
      filters: [
        { ref: ref("Größe"), op: "is", value: "'; drop table x; --" },
        { ref: ref("total"), op: "more", value: "1 or true" },
        { ref: ref("Größe"), op: "contains", value: "50%_" },
        { ref: ref("at"), op: "last", value: "7", other: "days'; --" },
        { ref: ref("Größe"), op: "is" },
      ],
    };
    const sql = sqlOf(asked, facts);
    expect(sql).toContain(`"Größe" = '''; drop table x; --'`);
    expect(sql).toContain("total > null");
    expect(sql).toContain(String.raw`ilike '%50\%\_%'`);
    expect(sql).toContain("interval '7 days'");
    expect(sql).not.toContain("days'; --");
    expect(sql.match(/and/g)).toHaveLength(3);
  });

  test("joins name their tables", () => {
    const asked: Builder = {
      ...orders,
      joins: [{ schema: "main", table: "customers", from: ref("customer_id"), column: "customer_id" }],
      groups: [{ ref: ref("segment", 1) }],
      measures: [{ fn: "avg", ref: ref("total") }],
    };
    expect(sqlOf(asked, facts)).toBe(
      `select
  c1.segment as segment,
  avg(o.total) as avg_total
from main.orders o
left join main.customers c1 on c1.customer_id = o.customer_id
group by 1
order by 2 desc
limit 1000`,
    );
    expect(sqlOf(withoutJoin(asked, 0), facts)).not.toContain("customers");
  });
});

test("joins come from tests and keys", () => {
  const model = (part: Partial<Model>): Model => ({ asset: "", name: "", kind: "model", materialized: "table", schema: "main", table: "", description: "", owner: null, tags: [], file: "", columns: [], tests: [], primary_key: [], reads: [], feeds: [], schedules: [], ...part });
  const models = [
    model({ table: "customers", primary_key: ["customer_id"] }),
    model({ table: "countries", primary_key: ["id"] }),
    model({ table: "refunds", tests: [{ id: "t", name: "relationships", column: "order_id", severity: "error", refers_to: { schema: "main", table: "orders", column: "id" } }] }),
  ];
  expect(joinsOf(orders, models, facts)).toEqual([
    { schema: "main", table: "customers", from: ref("customer_id"), column: "customer_id", repeats: false },
    { schema: "main", table: "refunds", from: ref("id"), column: "order_id", repeats: true },
  ]);
});

test("what is no question is none", () => {
  for (const value of [null, 1, "x", {}, { table: { schema: 1 } }, { table: { schema: "a", table: "b" } }]) expect(readBuilder(value)).toBeNull();
  expect(readBuilder(orders)).toEqual(orders);
});

test("numbers that are grouped by stand along the axis", () => {
  const by = (column: string) => chartOf({ ...orders, groups: [{ ref: ref(column) }], measures: [{ fn: "sum", ref: ref("total") }] }, facts);
  expect(by("id")).toEqual({ kind: "bar", x: "id", y: ["sum_total"], series: undefined });
  expect(by("customer_id")).toBeUndefined();
});

describe("what is asked each time", () => {
  const asked: Builder = {
    ...orders,
    joins: [{ schema: "main", table: "customers", from: ref("customer_id"), column: "customer_id" }],
    filters: [
      { ref: ref("at"), op: "asked" },
      { ref: ref("segment", 1), op: "asked" },
      { ref: ref("total"), op: "asked" },
      { ref: ref("Größe"), op: "asked" },
      { ref: ref("total"), op: "asked" },
      { ref: ref("total"), op: "more", value: "5" },
    ],
    measures: [{ fn: "count" }],
  };

  test("is a parameter of its column's type, and a period for time", () => {
    expect(sqlOf(asked, facts)).toBe(`select
  count(*) as count
from main.orders o
left join main.customers c1 on c1.customer_id = o.customer_id
where ({{period_from}} is null or o.at >= {{period_from}}) and ({{period_to}} is null or o.at < {{period_to}})
  and ({{segment}} is null or c1.segment = {{segment}})
  and ({{total}} is null or o.total = {{total}})
  and ({{gr_e}} is null or o."Größe" = {{gr_e}})
  and ({{total_2}} is null or o.total = {{total_2}})
  and o.total > 5
limit 1000`);
    expect(parametersOf(asked, facts)).toEqual([
      { name: "period_from", type: "date" },
      { name: "period_to", type: "date" },
      { name: "segment", type: "text", values: "select distinct segment from main.customers where segment is not null order by 1 limit 1000" },
      { name: "total", type: "number" },
      { name: "gr_e", type: "text", values: 'select distinct "Größe" from main.orders where "Größe" is not null order by 1 limit 1000' },
      { name: "total_2", type: "number" },
    ]);
  });

  test("is anything while it is put together", () => {
    expect(sqlOf(unasked(asked), facts)).not.toContain("{{");
    expect(parametersOf(orders, facts)).toEqual([]);
  });

  test("names of any script become names of parameters", () => {
    const strange = (column: string) => parametersOf({ ...orders, filters: [{ ref: ref(column), op: "asked" }] }, facts)[0]?.name;
    expect([strange("1st"), strange("日本"), strange("Order ID"), strange("a; drop")]).toEqual(["_1st", "value", "order_id", "a_drop"]);
  });
});

test("an address says which saved question it changes", () => {
  const [, hash = ""] = toAddress(orders, undefined, "q1").split("#");
  expect(fromAddress(hash)).toMatchObject({ of: "q1", builder: orders });
  expect(fromAddress(toAddress(orders).split("#")[1] ?? "").of).toBeUndefined();
});
