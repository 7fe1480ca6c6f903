// Takes the pictures of docs/pictures from a running `weir demo`: small WebP files.
//
//   URL, SETUP_LINK (of a new demo) or NAME and PASSWORD, FOLDER, CHROMIUM
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { URL: url, SETUP_LINK: setupLink, NAME: name = "owner", PASSWORD: password = "a long sentence for pictures" } = process.env;
const folder = process.env.FOLDER ?? join(import.meta.dirname, "../../docs/pictures");
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "UTC" });
const page = await context.newPage();
const devtools = await context.newCDPSession(page);

async function take(picture) {
  await page.waitForLoadState("networkidle");
  await page.locator(".wait").first().waitFor({ state: "detached" });
  // What is in view is drawn; the rest waits until it is.
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".chart")]
      .filter((chart) => chart.getBoundingClientRect().top < innerHeight)
      .every((chart) => chart.querySelector("svg, canvas")),
  );
  const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality: 72 });
  writeFileSync(join(folder, `${picture}.webp`), Buffer.from(data, "base64"));
}

if (setupLink) {
  await page.goto(setupLink);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Password, once more").fill(password);
  await page.getByRole("button", { name: "Begin" }).click();
} else {
  await page.goto(`${url}/`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}
await page.getByRole("navigation", { name: "Main" }).waitFor();

const make = (kind, body) =>
  page.evaluate(
    async ([kind, body]) => {
      const { user } = await (await fetch("/api/v1/session")).json();
      const headers = { "content-type": "application/json", "weir-csrf": user.csrf };
      return (await (await fetch(`/api/v1/${kind}`, { method: "POST", headers, body: JSON.stringify(body) })).json()).id;
    },
    [kind, body],
  );
const question = (name, sql, chart) => make("questions", { name, sharing: "read", body: { sql, view: chart ? "chart" : "table", chart } });
const daily = await question("Revenue by day", "select day, sum(revenue) as revenue from main.daily_revenue group by 1 order by 1", { kind: "bar", x: "day", y: ["revenue"] });
const segments = await question("Spent by segment", "select segment, sum(spent) as spent, count(*) as customers from main.customers group by 1 order by 2 desc", { kind: "pie", x: "segment", y: ["spent"] });
const orders = await question("Orders", "select count(*) as orders from shop.order_completed", { kind: "number", y: ["orders"] });
const events = await question("Events by name", "select event_text as event, count(*) as n from shop.tracks group by 1 order by 2 desc limit 12", { kind: "bar", x: "event", y: ["n"] });
const dashboard = await make("dashboards", {
  name: "The shop today",
  sharing: "read",
  body: {
    tiles: [
      { id: "a", title: "Revenue by day", question: daily, x: 0, y: 0, w: 8, h: 5 },
      { id: "b", title: "Orders", question: orders, x: 8, y: 0, w: 4, h: 2 },
      { id: "c", title: "Spent by segment", question: segments, x: 8, y: 2, w: 4, h: 3 },
      { id: "d", title: "Events by name", question: events, x: 0, y: 5, w: 12, h: 4 },
    ],
  },
});
const run = await page.evaluate(async () => (await (await fetch("/api/v1/runs?schedule=payouts&limit=100")).json()).runs.at(-1)?.id ?? 1);
const builder = {
  table: { schema: "main", table: "stg_orders" },
  joins: [{ schema: "main", table: "customers", from: { at: 0, column: "customer_id" }, column: "customer_id" }],
  filters: [{ ref: { at: 0, column: "ordered_at" }, op: "before", value: new Date(Date.now() - 86_400_000).toISOString().slice(0, 16) }],
  groups: [{ ref: { at: 0, column: "ordered_at" }, grain: "day" }, { ref: { at: 1, column: "segment" } }],
  measures: [{ fn: "sum", ref: { at: 0, column: "total" } }],
  limit: 1000,
  zone: "UTC",
};
const sql = "select event_text as event, count(*) as n\nfrom shop.tracks\ngroup by 1\norder by 2 desc";
const pages = [
  ["home", "/"],
  ["ask", `/ask#${new URLSearchParams({ sql, view: "both", chart: JSON.stringify({ kind: "bar", x: "event", y: ["n"] }) })}`],
  ["build", `/build#${new URLSearchParams({ q: JSON.stringify(builder) })}`],
  ["question", `/q/${daily}`],
  ["dashboard", `/d/${dashboard}`],
  ["data", "/data/main"],
  ["table", "/data/main/customers"],
  ["lineage", "/data/main/customers?tab=lineage"],
  ["events", "/events"],
  ["sources", "/sources"],
  ["models", "/models"],
  ["model", "/models/model.plant_shop.customers"],
  ["runs", "/runs"],
  ["run", `/runs/${run}`],
  ["schedules", "/runs?tab=schedules"],
  ["usage", "/usage"],
  ["settings", "/settings?tab=users"],
];
for (const [picture, path] of pages) {
  await page.goto("about:blank");
  await page.goto(url + path);
  await page.getByRole("main").waitFor();
  if (picture === "ask") await page.getByRole("button", { name: "Run", exact: true }).click();
  await take(picture);
}
await page.emulateMedia({ colorScheme: "dark" });
await page.goto(`${url}/d/${dashboard}`);
await take("dashboard-dark");
await browser.close();
