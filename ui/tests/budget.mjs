// Measures what a person waits for, in headless Chromium on the machine of the server: prints JSON, times in
// milliseconds, memory in megabytes.
//
//   URL, NAME, PASSWORD, ROUNDS, ROWS, CHROMIUM
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { URL: url, NAME: name, PASSWORD: password } = process.env;
const rounds = Number(process.env.ROUNDS ?? 5);
const rows = Number(process.env.ROWS ?? 1_000_000);
const profile = mkdtempSync(join(tmpdir(), "weir-budget-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1360, height: 860 },
  args: ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"],
});
const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
const round = (value) => Math.round(value * 10) / 10;
const page = await browser.newPage();
const bytes = { all: 0 };
page.on("response", async (response) => {
  if (response.url().endsWith(".js")) bytes.all += Number((await response.allHeaders())["content-length"] ?? 0);
});
await page.goto(`${url}/`);
await page.getByLabel("Name").fill(name);
const first = bytes.all;
await page.getByLabel("Password").fill(password);
await page.getByRole("button", { name: "Sign in", exact: true }).click();
await page.getByRole("navigation", { name: "Main" }).waitFor();
const ask = (method, path, body) =>
  page.evaluate(
    async ([method, path, body]) => {
      const { user } = await (await fetch("/api/v1/session")).json();
      const response = await fetch(path, { method, headers: { "content-type": "application/json", "weir-csrf": user.csrf }, body: JSON.stringify(body) });
      return response.json();
    },
    [method, path, body],
  );

/** Opens an address in a page of its own, and tells how long it takes until something is there. */
async function timed(path, there) {
  const all = [];
  for (let i = 0; i < rounds; i += 1) {
    const fresh = await browser.newPage();
    await fresh.goto("about:blank");
    const start = performance.now();
    await fresh.goto(url + path, { waitUntil: "commit" });
    await there(fresh);
    all.push(performance.now() - start);
    await fresh.close();
  }
  return round(median(all));
}

const shell = await timed("/", (fresh) => fresh.getByRole("navigation", { name: "Main" }).waitFor());

const chart = { kind: "bar", x: "day", y: ["n"] };
const tiles = [];
for (let i = 0; i < 30; i += 1) {
  const sql = `select 'd' || (i % 14) as day, count(*) as n, ${i} as tile from generate_series(1, 1000) t(i) group by 1 order by 1`;
  const { id } = await ask("POST", "/api/v1/questions", { name: `Tile ${i}`, sharing: "read", body: { sql, view: "chart", chart } });
  tiles.push({ id: `t${i}`, title: `Tile ${i}`, question: id, x: (i % 4) * 3, y: Math.floor(i / 4) * 3, w: 3, h: 3 });
}
const one = await ask("POST", "/api/v1/dashboards", { name: "One", sharing: "read", body: { tiles: tiles.slice(0, 1) } });
const thirty = await ask("POST", "/api/v1/dashboards", { name: "Thirty", sharing: "read", body: { tiles } });
const drawn = (count) => (fresh) => fresh.waitForFunction((count) => document.querySelectorAll(".tile .chart svg").length >= count, count);
// Once, so that answers are kept and the drawing library is in the browser's cache.
await timed(`/d/${one.id}`, drawn(1));
await timed(`/d/${thirty.id}`, drawn(12));

// A tile whose answer is kept, from asking to drawing, on a page that is there already.
await page.goto(`${url}/d/${one.id}`);
await drawn(1)(page);
const cached = [];
for (let i = 0; i < rounds * 2; i += 1) {
  cached.push(
    await page.evaluate(async () => {
      const start = performance.now();
      const old = document.querySelector(".tile .chart svg");
      [...document.querySelectorAll("button")].find((button) => button.textContent === "Refresh").click();
      const box = document.querySelector(".tile");
      await new Promise((done) => {
        const watch = new MutationObserver(() => {
          const now = document.querySelector(".tile .chart svg");
          if (now && now !== old) {
            watch.disconnect();
            requestAnimationFrame(done);
          }
        });
        watch.observe(box, { childList: true, subtree: true });
      });
      return performance.now() - start;
    }),
  );
}
// Those in view are drawn; the others wait until they are scrolled to.
const board = await timed(`/d/${thirty.id}`, drawn(12));

const heap = () => page.evaluate(() => (globalThis.gc?.(), performance.memory.usedJSHeapSize / 1e6));
await page.goto(`${url}/ask`);
await page.getByRole("textbox", { name: "SQL" }).focus();
const before = await heap();
await page.keyboard.insertText(`select i, 'row ' || i as t, i * 1.5 as x from generate_series(1, ${rows}) t(i)`);
const start = performance.now();
await page.getByRole("button", { name: "Run", exact: true }).click();
await page.getByRole("status").getByText(/rows, in/).waitFor({ timeout: 120_000 });
const million = performance.now() - start;
const grid = page.getByRole("grid", { name: "Rows" });
for (let i = 1; i <= 20; i += 1) {
  await grid.evaluate((element, share) => {
    element.scrollTop = element.scrollHeight * share;
  }, i / 20);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
// The grid's last rows; beyond what browsers can scroll, pages of the answer are reached by queries.
await grid.getByRole("gridcell").last().waitFor();
const after = await heap();
await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(JSON.stringify({ first_load_kib: round(first / 1024), shell_ms: shell, cached_tile_ms: round(median(cached)), board_ms: board, million_ms: round(million), heap_mb: round(after - before) }));
