import { expect, it } from "vitest";
import { find } from "./search";

const all = ["Home", "app.tracks", "app.order_completed", "app.order_completed.price", "main.orders"].map((name) => ({ name, kind: "k", to: name }));

it("finds by parts, the beginnings of words first", () => {
  const names = (text: string) => find(all, text, 10).map((one) => one.name);
  expect(names("order")).toEqual(["main.orders", "app.order_completed", "app.order_completed.price"]);
  expect(names("app pri")).toEqual(["app.order_completed.price"]);
  expect(names("nothing like it")).toEqual([]);
  expect(names("")).toHaveLength(5);
});
