// Data, events, search, usage.
import { address, EVIL, expect, heading, look, made, page, request, step, url, writeKey } from "../harness.mjs";

await step("look at data", async () => {
  await page.goto(`${url}/data`);
  await page.getByRole("link", { name: "tracks", exact: true }).click();
  await heading("Data / app / tracks").waitFor();
  await page.getByRole("cell", { name: "received_at" }).waitFor();
  await look("data-table");
  await page.getByRole("tab", { name: "Sample" }).click();
  await page.getByRole("grid", { name: "Sample" }).waitFor();
  await look("data-sample");
  await page.getByRole("tab", { name: "Versions" }).click();
  await page.getByRole("link", { name: /Ask as of version/ }).first().waitFor();
  await look("data-versions");
  await page.getByRole("tab", { name: "Lineage" }).click();
  const breaks = page.getByRole("region", { name: "What breaks if it changes" });
  await breaks.getByRole("link", { name: "Shop", exact: true }).waitFor();
  await breaks.getByRole("link", { name: /^Orders/ }).waitFor();
  await page.getByRole("link", { name: "app source", exact: true }).waitFor();
  await look("data-lineage");
  await page.goto(`${url}/data`);
  await heading("app").waitFor();
  await look("data");
});

await step("watch events", async () => {
  await page.goto(`${url}/events`);
  await page.getByRole("link", { name: "Order Completed" }).waitFor();
  await look("events");
  await page.getByRole("link", { name: "Order Completed" }).click();
  await heading("Events / Order Completed").waitFor();
  await page.getByRole("cell", { name: "received_at" }).waitFor();
  await look("event");
  await page.goto(`${url}/events?tab=live`);
  await page.getByText("Waiting for events").waitFor();
  const body = JSON.stringify({ event: `Live ${EVIL}`, userId: EVIL });
  // Asked until it is seen: the stream begins a moment after the page.
  for (let i = 0; i < 50 && (await page.getByRole("log").count()) === 0; i += 1) {
    await fetch(`${url}/v1/track`, { method: "POST", body, headers: { authorization: `Basic ${btoa(`${writeKey}:`)}`, "content-type": "application/json" } });
    await page.getByRole("log").waitFor({ timeout: 500 }).catch(() => {});
  }
  await page.getByRole("log").getByText("accepted").first().waitFor();
  await look("events-live");
  await page.goto(`${url}/events?tab=quarantine`);
  await page.locator("table, .empty").first().waitFor();
  await look("events-quarantine");
});

await step("find", async () => {
  await page.goto(`${url}/`);
  await heading("Hello, owner").waitFor();
  await page.getByRole("link", { name: "Shop" }).first().waitFor();
  await look("home");
  await page.keyboard.press("ControlOrMeta+k");
  await page.getByRole("combobox").fill("tracks received");
  await page.getByRole("option", { name: /app.tracks.received_at/ }).waitFor();
  await look("palette");
  await page.keyboard.press("Enter");
  await heading("Data / app / tracks").waitFor();
  // It does things as well, and says what came of them.
  await page.keyboard.press("ControlOrMeta+k");
  await page.getByRole("combobox").fill("dark colours");
  await page.getByRole("option", { name: /^Switch to dark colours/ }).waitFor();
  await page.keyboard.press("Enter");
  expect("colours are switched", (await page.evaluate(() => document.documentElement.dataset.theme)) === "dark");
  await page.keyboard.press("ControlOrMeta+k");
  await page.getByRole("combobox").fill("light colours");
  await page.keyboard.press("Enter");
  const certified = await request("PUT", `/api/v1/dashboards/${made.dashboard}/certified`, { certified: true });
  expect("certified", certified.status === 204, certified);
  await page.goto(`${url}/`);
  await page.getByRole("region", { name: "Certified" }).getByRole("link", { name: "Shop" }).waitFor();
  await request("PUT", `/api/v1/dashboards/${made.dashboard}/certified`, { certified: false });
});

await step("usage", async () => {
  await page.goto(`${url}/usage`);
  await page.getByRole("cell", { name: "owner", exact: true }).first().waitFor();
  await page.getByRole("heading", { name: "Slowest of the recent queries" }).waitFor();
  const slowest = page.getByRole("table", { name: "Slowest of the recent queries" });
  await slowest.getByRole("link").first().waitFor();
  expect("what people asked, and nothing else", (await slowest.getByText("weir: application").count()) === 0);
  await page.getByLabel("Price of an hour of queries").fill("3600");
  await page.getByRole("status").getByText(/≈ .* of queries\./).waitFor();
  expect("prices are in the address", (await address()).endsWith("?hour=3600"), await address());
  await look("usage");
  await page.getByLabel("Count what the application asks by itself, too").check();
  await page.getByText("All that was ever asked").waitFor();
  const own = await request("POST", "/api/v1/query", { sql: "select count(*) from weir.queries where starts_with(sql, '/* weir: application */')" });
  expect("what the application asks is marked", own.json?.rows?.[0]?.[0] > 0, own.json);
});
