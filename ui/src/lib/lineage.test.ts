import { expect, test } from "vitest";
import type { Document } from "./documents";
import { graphOf, plannable } from "./lineage";
import type { Model } from "./models";

const document = (id: string, name: string) => ({ id, name, owner: "ada" }) as Document;
const model = (asset: string, kind: string, table: string, reads: string[] = []) => ({ asset, name: table, kind, schema: "main", table, reads, feeds: [], owner: null, question: null }) as unknown as Model;

test("sources, tables, steps, questions and dashboards hang together", () => {
  const { edges, things } = graphOf({
    edges: [{ from: "app.tracks", to: "main.orders" }],
    tables: [
      { schema_name: "raw_app", table_name: "events", kind: "table" },
      { schema_name: "app", table_name: "tracks", kind: "table" },
      { schema_name: "main", table_name: "orders", kind: "view" },
    ],
    models: [model("model.shop.orders", "model", "orders"), model("step.scores", "step", "scores", ["model.shop.orders"]), { ...model("rollup.x", "rollup", "kept"), question: "q1" }],
    sources: ["app", "crm"],
    questions: [document("q1", "Scores")],
    reads: new Map([["q1", ["main.scores", "main.orders"]]]),
    dashboards: [{ document: document("d1", "Shop"), questions: ["q1", "q1", "gone"] }],
  });
  const told = edges.map(({ from, to }) => `${from} > ${to}`).sort();
  expect(told).toEqual([
    "app.tracks > main.orders",
    "main.orders > question:q1",
    "main.orders > step:scores",
    "main.scores > question:q1",
    "question:q1 > dashboard:d1",
    "question:q1 > main.kept",
    "source:app > app.tracks",
    "source:app > raw_app.events",
    "step:scores > main.scores",
  ]);
  expect(things.get("step:scores")).toMatchObject({ kind: "step", href: "/models/step.scores" });
  expect(things.get("main.orders")).toMatchObject({ kind: "table", note: "model", href: "/data/main/orders?tab=lineage" });
  expect(things.has("source:crm")).toBe(false);
});

test("alerts rest on their questions, and deliveries on their dashboards", () => {
  const { edges, things } = graphOf({
    edges: [],
    tables: [],
    models: [],
    sources: [],
    questions: [document("q1", "Orders")],
    reads: new Map([["q1", ["main.orders"]]]),
    dashboards: [{ document: document("d1", "Shop"), questions: ["q1"] }],
    alerts: [{ id: "a1", name: "Too few", question: "q1", made_by: "ada" }, { id: "a2", name: "Of others", question: "secret" }],
    deliveries: [{ id: "e1", dashboard: "d1" }, { id: "e2", dashboard: "d1" }, { id: "e3", dashboard: "secret" }],
  });
  expect(edges.map(({ from, to }) => `${from} > ${to}`).sort()).toEqual(["dashboard:d1 > delivery:e1", "dashboard:d1 > delivery:e2", "main.orders > question:q1", "question:q1 > alert:a1", "question:q1 > dashboard:d1"]);
  expect(things.get("alert:a1")).toEqual({ kind: "alert", name: "Too few", owner: "ada", href: "/q/q1?open=alerts" });
  expect(things.get("delivery:e1")).toEqual({ kind: "delivery", name: "Shop", href: "/d/d1?open=send" });
  expect(things.get("delivery:e2")?.name).toBe("Shop (2)");
});

test("what is of a kind that nobody knows yet has its name, and no page", () => {
  const { things } = graphOf({ edges: [{ from: "main.orders", to: "notebook:n1" }], tables: [], models: [], sources: [], questions: [], reads: new Map(), dashboards: [] });
  expect(things.get("notebook:n1")).toEqual({ kind: "notebook", name: "n1" });
  expect(things.get("main.orders")?.kind).toBe("table");
});

test("a question that one may not open is not told of", () => {
  const { edges } = graphOf({ edges: [], tables: [], models: [{ ...model("rollup.x", "rollup", "kept"), question: "secret" }], sources: [], questions: [], reads: new Map(), dashboards: [] });
  expect(edges).toEqual([]);
});

test("parameters are nulls of their types, where they are parameters", () => {
  expect(plannable({ sql: "select '{{a}}' as t -- {{a}}\nfrom x where a = {{a}} and b > {{ b }};", parameters: [{ name: "b", type: "number" }] })).toBe("select '{{a}}' as t -- {{a}}\nfrom x where a = cast(null as text) and b > cast(null as double precision)");
});
