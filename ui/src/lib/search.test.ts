import { expect, it } from "vitest";
import { find, nearest } from "./search";

const all = ["Home", "app.tracks", "app.order_completed", "app.order_completed.price", "main.orders"].map((name) => ({ name, kind: "k", to: name }));

it("finds by parts, the beginnings of words first", () => {
  const names = (text: string) => find(all, text, 10).map((one) => one.name);
  expect(names("order")).toEqual(["main.orders", "app.order_completed", "app.order_completed.price"]);
  expect(names("app pri")).toEqual(["app.order_completed.price"]);
  expect(names("nothing like it")).toEqual([]);
  expect(names("")).toHaveLength(5);
});

it("finds what a sentence is about", () => {
  const some = [
    { name: "main.customers", kind: "k", to: "1", about: "Who ordered, how often" },
    { name: "Revenue by day", kind: "k", to: "2" },
    { name: "Customers by segment", kind: "k", to: "3", about: "how many there are" },
  ];
  const names = (text: string) => nearest(some, text, 10).map((one) => one.name);
  expect(names("How many customers are there?")).toEqual(["Customers by segment", "main.customers"]);
  expect(names("what is our revenue")).toEqual(["Revenue by day"]);
  expect(names("to be or not")).toEqual([]);
});
