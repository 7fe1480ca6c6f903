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
  ["explain", `/ask#${new URLSearchParams({ sql })}`],
  ["question", "/q/revenue"],
  ["dashboard", "/d/shop"],
  ["data", "/data/main"],
  ["table", "/data/main/customers"],
  ["lineage", "/data/main/customers?tab=lineage"],
  ["events", "/events"],
  ["quarantine", "/events?tab=quarantine"],
  ["sources", "/sources"],
  ["source", "/sources/shop"],
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
  if (picture === "explain") {
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("menuitem", { name: /Run it and measure/ }).click();
    await page.getByText(/All steps together took/).waitFor();
  }
  await take(picture);
}
await page.goto(`${url}/d/shop`);
await page.getByTitle(/Where does this come from/).nth(2).click();
await take("origin");
await page.emulateMedia({ colorScheme: "dark" });
await page.goto(`${url}/d/shop`);
await take("dashboard-dark");
await page.emulateMedia({ colorScheme: "light" });
for (const [picture, path] of [["phone-dashboard", "/d/shop"], ["phone-runs", "/runs"]]) {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("about:blank");
  await page.goto(url + path);
  await page.getByRole("main").waitFor();
  await take(picture);
}
await browser.close();
