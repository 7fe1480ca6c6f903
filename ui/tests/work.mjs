// What people do from the second day on: looking after runs, models and sources, asking without SQL, comparing
// answers, drafts, tabs and clicks that filter, dashboards on other sites, putting refused events right.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { address, attacker, browser, button, expect, EVIL, fits, heading, look, page, report, request, sendEvent, setUp, step, url, write } from "./harness.mjs";

const link = (name) => page.getByRole("link", { name, exact: true });
const more = async (name, item) => {
  await button(name).click();
  await page.getByRole("menuitem", { name: item }).click();
};

await step("set up", setUp);

let failed = "";
await step("a run is begun, and fails", async () => {
  await page.goto(`${url}/runs`);
  await heading("Runs").waitFor();
  await button("Run now").click();
  await look("runs-start");
  await page.getByRole("dialog").getByRole("button", { name: "Run now" }).click();
  await heading("Runs / 1").waitFor();
  await page.locator(".head .badge", { hasText: "failed" }).waitFor({ timeout: 60_000 });
  await page.getByRole("log").getByText("nothing_like_it").first().waitFor();
  await page.getByRole("button", { name: "customers", exact: true }).waitFor();
  failed = await address();
  await look("run-failed");
});

await step("the mistake is mended, and the run goes on from there", async () => {
  await button("broken").click();
  await page.getByRole("log").getByText("nothing_like_it").first().waitFor();
  expect("the address has the step", (await address()).includes("step=model.shop.broken"), await address());
  writeFileSync(join(process.env.PROJECT, "models/broken.sql"), "select customer from {{ ref('orders') }}\n");
  for (let i = 0; i < 60; i += 1) {
    await page.goto(failed);
    await button("Retry from failed").click();
    await page.waitForURL((address) => address.pathname !== new URL(failed).pathname);
    await page.locator(".head .badge", { hasText: /succeeded|failed/ }).waitFor({ timeout: 60_000 });
    if (await page.locator(".head .badge", { hasText: "succeeded" }).count()) break;
    failed = await address();
  }
  await page.locator(".head .badge", { hasText: "succeeded" }).waitFor();
  await look("run");
  await page.goto(`${url}/runs?state=failed`);
  await link("Run 1").waitFor();
  await page.getByLabel("State").selectOption("");
  await look("runs");
});

await step("schedules rest and go on", async () => {
  await page.goto(`${url}/runs?tab=schedules`);
  await page.getByRole("cell", { name: "Europe/Berlin" }).waitFor();
  await more("More: nightly", "Pause");
  await page.getByText("paused", { exact: true }).waitFor();
  await look("schedules");
  await more("More: nightly", "Go on with what waited");
  await page.getByText("paused", { exact: true }).waitFor({ state: "detached" });
  await more("More: by_hand", "Run now");
  await page.getByRole("heading", { name: /^Runs \/ / }).waitFor();
  await page.goto(`${url}/runs?tab=schedules`);
  await more("More: by_hand", "Backfill");
  await page.getByRole("dialog").getByRole("button", { name: "Preview" }).click();
  await page.getByRole("alert").getByText("nothing of it is divided into partitions").waitFor();
  await page.keyboard.press("Escape");
  await page.goto(`${url}/runs?tab=backfills`);
  await heading("No backfills").waitFor();
  await look("backfills");
});

await step("models tell what they are", async () => {
  await page.goto(`${url}/models`);
  await link("customers").waitFor();
  await look("models");
  await link("customers").click();
  await heading("Models / customers").waitFor();
  await page.getByText(`Everybody who bought ${EVIL}`).waitFor();
  await page.getByText("unique: pass").waitFor();
  await page.getByText("anna@example.com").waitFor();
  await look("model");
  await page.getByRole("tab", { name: "SQL" }).click();
  await page.getByText("sum(amount) as total").waitFor();
  await look("model-sql");
  await page.getByRole("tab", { name: "Lineage" }).click();
  await page.getByRole("link", { name: "main.orders model", exact: true }).waitFor();
  await look("model-lineage");
  await page.getByRole("tab", { name: "Runs" }).click();
  await link("Run 1").waitFor();
  await more("Build now", "Build it and what it needs");
  await page.getByRole("heading", { name: /^Runs \/ / }).waitFor();
  await page.goto(`${url}/data/main/customers?tab=lineage`);
  await page.getByLabel("Column").selectOption("total");
  await page.getByRole("link", { name: "amount main.raw_orders", exact: true }).waitFor();
  await look("lineage-columns");
});

await step("sources are fetched", async () => {
  await page.goto(`${url}/sources`);
  await link("numbers").waitFor();
  await link("app").waitFor();
  await look("sources");
  await link("numbers").click();
  await heading("Sources / numbers").waitFor();
  await button("Ask what it offers").click();
  await page.getByRole("cell", { name: "even", exact: true }).waitFor();
  await button("Sync now").click();
  await page.getByText("Synced 20 rows.").waitFor({ timeout: 60_000 });
  await page.getByText('"at": 20').waitFor();
  await page.getByRole("cell", { name: "even, odd" }).or(page.getByRole("cell", { name: "odd, even" })).waitFor();
  await look("source");
  await page.getByRole("button", { name: /^Take it back/ }).click();
  await page.getByText(/^Taken back: /).waitFor();
  await page.goto(`${url}/sources/wrong`);
  await page.getByRole("alert").getByText("its file is wrong").waitFor();
  await look("source-wrong");
  await page.goto(`${url}/sources/app`);
  await button("Switch off").click();
  await page.getByText("switched off").waitFor();
  await button("Switch on").click();
  await page.getByText("takes events again").waitFor();
  await look("source-events");
});

await step("a question without SQL", async () => {
  await page.goto(`${url}/build`);
  await heading("Begin with a table").waitFor();
  await page.getByLabel("Filter").fill("main");
  await look("build-begin");
  await page.getByRole("button", { name: /^orders main/ }).click();
  await page.getByRole("gridcell", { name: "ada" }).first().waitFor();
  await more("Join a table", "customers");
  await button("Add a number").click();
  await page.getByLabel("What").selectOption("sum");
  await page.getByRole("group", { name: "Summarise" }).getByLabel("Column").selectOption({ label: "amount" });
  await button("Add a group").click();
  await page.getByRole("group", { name: "By" }).getByLabel("Column").selectOption({ label: "customer" });
  await button("Add a filter").click();
  await page.getByRole("group", { name: "Filter" }).getByLabel("Column").selectOption({ label: "customer" });
  await page.getByLabel("Condition").selectOption("not");
  await page.getByLabel("Value", { exact: true }).fill("nobody's");
  await page.getByRole("status").getByText(/2 rows, in/).waitFor();
  await button("Show the SQL").click();
  await page.getByText("is distinct from 'nobody''s'").waitFor();
  await look("build");
  await button("Save").click();
  const offered = await page.getByRole("dialog").getByLabel("Name", { exact: true }).inputValue();
  expect("a name is offered", / of .* by /.test(offered), offered);
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("Who bought");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await heading("Who bought").waitFor();
  await link("Without SQL").click();
  await button("Show the SQL").waitFor();
});

let question = "";
await step("what is asked each time, without SQL, and a saved question that is changed", async () => {
  await page.goto(`${url}/build`);
  await page.getByRole("button", { name: /^orders main/ }).click();
  await button("Add a number").click();
  await button("Add a filter").click();
  const filter = page.getByRole("group", { name: "Filter" });
  await filter.getByLabel("Column").selectOption({ label: "customer" });
  await page.getByLabel("Condition").selectOption("is asked each time");
  await page.getByRole("gridcell", { name: "3", exact: true }).waitFor();
  await look("build-asked");
  await button("Save").click();
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("How many");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await heading("How many").waitFor();
  const id = new URL(await address()).pathname;
  await page.getByRole("gridcell", { name: "3", exact: true }).waitFor();
  // Chosen from what the column has, and asked at once.
  await page.getByRole("combobox", { name: "customer", exact: true }).selectOption("ada");
  await page.getByRole("gridcell", { name: "2", exact: true }).waitFor();
  await page.getByRole("link", { name: "Without SQL" }).click();
  await button("Add a group").click();
  await button("Save").click();
  await page.getByRole("dialog").getByLabel("Save as").waitFor();
  await look("build-version");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.waitForURL((address) => address.pathname === id);
  const { json } = await request("GET", `/api/v1${id.replace("/q/", "/questions/")}`);
  expect("it is the same question's next version", json.version === 2 && json.name === "How many" && json.body.parameters[0].values?.startsWith("select distinct"), json);
});

await step("values from a query, tidy SQL", async () => {
  await page.goto(`${url}/ask`);
  await write("select customer,sum(amount) as total from main.orders where customer={{who}} group by 1");
  await button("Format").click();
  await page.locator(".cm-line", { hasText: "customer = {{who}}" }).waitFor();
  await page.getByRole("textbox", { name: "who" }).fill("ada");
  await button("Run").click();
  await page.getByRole("gridcell", { name: "ada" }).waitFor();
  await button("Save").click();
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill(`Of one ${EVIL}`);
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await heading(`Of one ${EVIL}`).waitFor();
  question = new URL(await address()).pathname.split("/")[2];
  await page.getByRole("button", { name: "SQL", exact: true }).click();
  await page.getByLabel("who: Values from a query").fill(`select customer, customer || ' ${EVIL.replaceAll("'", "''")}' from main.customers order by 1`);
  await page.getByRole("combobox", { name: "who", exact: true }).selectOption("bob");
  await button("Save").click();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText(/1 row, in/).waitFor();
  await look("question-values");
});

await step("alerts on a question", async () => {
  await more("More", "Alerts");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("What people read").fill(`Too little ${EVIL}`);
  await dialog.getByLabel("Bound").fill("1000");
  await dialog.getByRole("button", { name: "New alert" }).click();
  await dialog.getByText("total is 20, less than 1000").waitFor();
  await look("alerts");
  await dialog.getByRole("button", { name: "Remove" }).click();
  await dialog.getByRole("button", { name: "Remove" }).waitFor({ state: "detached" });
  await page.keyboard.press("Escape");
});

await step("two answers are compared", async () => {
  const sql = (more) => `select * from (values ('a', 1), ('b', ${more}), ('${more}', 3)) t(name, n)`;
  const ask = async (more) => (await request("POST", "/api/v1/results", { sql: sql(more) })).json.result.id;
  const [one, two] = [await ask(2), await ask(5)];
  await page.goto(`${url}/r/${one}/compare/${two}`);
  await page.getByText("1 new").waitFor();
  await page.getByText("1 gone").waitFor();
  await page.getByText("1 changed").waitFor();
  await page.getByRole("gridcell", { name: "2 → 5 (+3)" }).waitFor();
  await look("compare");
});

await step("a workbook and pictures", async () => {
  const { json } = await request("POST", "/api/v1/results", { sql: "select '=1+1' as t, 1.5 as n, timestamp '2026-01-02 03:04:05' as at union all select null, null, null" });
  const file = await page.evaluate(async (id) => {
    const response = await fetch(`/api/v1/results/${id}/rows?format=xlsx`);
    return { status: response.status, kind: response.headers.get("content-type"), bytes: [...new Uint8Array(await response.arrayBuffer())] };
  }, json.result.id);
  expect("the workbook comes", file.status === 200 && file.kind.includes("spreadsheetml") && file.bytes[0] === 0x50, file.kind);
  await page.goto(`${url}/q/${question}?p.who=ada`);
  await page.getByRole("combobox", { name: "Chart", exact: true }).selectOption("chart");
  await page.getByLabel("Kind").selectOption("bar");
  await page.locator(".chart svg").first().waitFor();
  for (const [item, begins] of [["Download SVG", "<svg"], ["Download PNG", "\x89PNG"]]) {
    const [download] = await Promise.all([page.waitForEvent("download"), more("Save the chart: Chart", item)]);
    expect(item, readFileSync(await download.path(), "latin1").startsWith(begins));
  }
  for (const [kind, sql] of [
    ["box", "select 'g' || (i % 3) as g, (i * 7 % 50)::double precision as x from generate_series(1, 60) t(i)"],
    ["sankey", "select * from (values ('home', 'list', 5), ('list', 'cart', 3)) t(a, b, n)"],
    ["map", "select * from (values ('DE', 5), ('US', 3)) t(country, n)"],
    ["line", "select date '2026-01-01' + (i || ' days')::interval as day, i as n from generate_series(1, 9) t(i) order by 1"],
  ]) {
    await page.goto(`${url}/ask`);
    await write(sql);
    await button("Run").click();
    await page.getByRole("status").getByText(/rows, in/).waitFor();
    await page.getByRole("combobox", { name: "Chart", exact: true }).selectOption("chart");
    await page.getByLabel("Kind").selectOption(kind);
    if (kind === "sankey") await page.getByRole("combobox", { name: "To", exact: true }).selectOption("b");
    await page.locator(".chart svg path").first().waitFor({ state: "attached" });
    await look(`chart-${kind}`);
  }
});

let dashboard = "";
await step("a dashboard: tabs, drafts, clicks that filter", async () => {
  const made = async (name, sql, chart, parameters) => (await request("POST", "/api/v1/questions", { name, sharing: "read", body: { sql, view: "chart", chart, parameters } })).json.id;
  const all = await made("By customer", "select customer, sum(amount) as total from main.orders group by 1 order by 1", { kind: "bar", x: "customer", y: ["total"] });
  const one = await made("Orders of", "select id, amount from main.orders where ({{who}} is null or customer = {{who}}) order by id", { kind: "table" }, [{ name: "who", type: "text" }]);
  const body = {
    tiles: [
      { id: "a", title: "By customer", question: all, x: 0, y: 0, w: 6, h: 5, sets: "who" },
      { id: "b", title: "Orders of", question: one, x: 6, y: 0, w: 6, h: 5 },
    ],
    filters: [{ name: "who", label: "Customer", type: "text", values: "select customer from main.customers order by 1" }],
  };
  dashboard = (await request("POST", "/api/v1/dashboards", { name: `Shop ${EVIL}`, sharing: "read", body })).json.id;
  await page.goto(`${url}/d/${dashboard}`);
  const orders = page.getByRole("region", { name: "Orders of" });
  await orders.getByRole("gridcell", { name: "20", exact: true }).waitFor();
  await page.getByRole("region", { name: "By customer" }).locator("svg path").first().waitFor({ state: "attached" });
  // The first bar is ada's.
  const box = await page.getByRole("region", { name: "By customer" }).getByRole("img").first().boundingBox();
  await page.mouse.click(box.x + box.width * 0.3, box.y + box.height * 0.75);
  await page.waitForURL(/f\.who=ada/);
  await orders.getByRole("gridcell", { name: "20", exact: true }).waitFor({ state: "detached" });
  await look("dashboard-filtered");
  // The same by keys alone: from mark to mark, each said, chosen, and taken back.
  const chart = page.getByRole("region", { name: "By customer" }).getByRole("application", { name: "By customer" });
  const says = (text) => chart.locator("[aria-live]").filter({ hasText: text }).waitFor({ state: "attached" });
  await page.goto(`${url}/d/${dashboard}`);
  await orders.getByRole("gridcell", { name: "20", exact: true }).waitFor();
  await chart.focus();
  await page.keyboard.press("ArrowRight");
  await says("ada, total 40.75");
  await page.keyboard.press("ArrowRight");
  await says("bob, total 20");
  await look("dashboard-walked");
  await page.keyboard.press("Enter");
  await page.waitForURL(/f\.who=bob/);
  await says("The dashboard is filtered by bob");
  await orders.getByRole("gridcell", { name: "30.25", exact: true }).waitFor({ state: "detached" });
  expect("one is still on the chart", await chart.evaluate((element) => element === document.activeElement));
  await page.keyboard.press("Escape");
  await says("The filter is taken back");
  await orders.getByRole("gridcell", { name: "30.25", exact: true }).waitFor();
  expect("nothing of it is left in the address", !(await address()).includes("f.who"), await address());
  await page.keyboard.press("ArrowLeft");
  await says("ada, total 40.75");
  // One stop by Tab, however many marks.
  await page.keyboard.press("Tab");
  expect("the next key leaves the chart", !(await chart.evaluate((element) => element.contains(document.activeElement))));
  // Values of a table are chosen as marks are.
  const table = await made("Customers", "select customer as who, count(*) as n from main.orders group by 1 order by 1", { kind: "table" });
  const other = (await request("POST", "/api/v1/dashboards", { name: "By a table", sharing: "read", body: { ...body, tiles: [{ ...body.tiles[0], id: "t", title: "Customers", question: table }, body.tiles[1]] } })).json.id;
  await page.goto(`${url}/d/${other}`);
  const rows = page.getByRole("grid", { name: "Customers" });
  await rows.getByRole("gridcell", { name: "ada", exact: true }).waitFor();
  await rows.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/f\.who=bob/);
  await orders.getByRole("gridcell", { name: "30.25", exact: true }).waitFor({ state: "detached" });
  await page.keyboard.press("Escape");
  await orders.getByRole("gridcell", { name: "30.25", exact: true }).waitFor();
  await rows.getByRole("gridcell", { name: "ada", exact: true }).click();
  await page.waitForURL(/f\.who=ada/);
  await look("dashboard-table-filters");
  await page.goto(`${url}/d/${dashboard}?f.who=ada`);
  await orders.getByRole("gridcell", { name: "20", exact: true }).waitFor({ state: "detached" });
  await orders.getByRole("button", { name: /as of/ }).click();
  await page.getByRole("dialog").getByText("It reads").waitFor();
  await page.getByRole("dialog").getByRole("link", { name: "main.raw_orders" }).waitFor();
  await look("origin");
  await page.keyboard.press("Escape");

  await button("Edit").click();
  await more("Add a tile", "Add a tab");
  await page.getByLabel("Name of the tab").fill(`Second ${EVIL}`);
  await more("Add a tile", "Add text");
  await page.getByRole("textbox", { name: "Text", exact: true }).fill("On the second tab");
  await button("Keep as a draft").click();
  await page.getByText("The draft is kept").waitFor();
  await look("dashboard-draft");
  const others = await request("GET", `/api/v1/dashboards/${dashboard}`);
  expect("others see what was published", others.json.body.tabs === undefined, others.json.body.tabs);
  await page.goto(`${url}/d/${dashboard}`);
  await button("Go on with the draft").click();
  await button("Publish").click();
  await button("Edit").waitFor();
  await page.getByRole("button", { name: `Second ${EVIL}` }).click();
  await page.getByText("On the second tab").waitFor();
  await look("dashboard-tabs");
});

await step("a dashboard on another site", async () => {
  const site = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><body><iframe id=shown width=1000 height=600></iframe>`);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${site.address().port}`;
  const wrong = await request("POST", `/api/v1/dashboards/${dashboard}/embeds`, { sites: ["https://a.example/path; script-src *"] });
  expect("sites are origins", wrong.status === 400, wrong);
  await page.goto(`${url}/d/${dashboard}`);
  await more("Share", "Show on another site");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("What it is for").fill(`The intranet ${EVIL}`);
  await dialog.getByLabel("Sites that show it").fill(origin);
  await dialog.getByLabel("Customer").selectOption("bob");
  await button("Make a link").click();
  await dialog.getByText("This is the only time it is shown").waitFor();
  await dialog.getByRole("cell", { name: "who = bob" }).waitFor();
  await look("embeds");
  const address = await dialog.locator(".secret code").innerText();
  const path = new URL(address);
  const other = await browser.newPage();
  const show = async (from, source) => {
    await other.goto(`${from}/`);
    await other.evaluate(([source]) => {
      const frame = document.querySelector("#shown, #frame");
      frame.src = source;
    }, [source]);
    return other.frameLocator("#shown, #frame");
  };
  const frame = await show(origin, address);
  await frame.getByRole("heading", { name: `Shop ${EVIL}` }).waitFor();
  await frame.getByRole("region", { name: "Orders of" }).getByRole("gridcell", { name: "20", exact: true }).waitFor();
  expect("the filter is locked", (await frame.getByRole("group", { name: "Filter" }).count()) === 0);
  expect("and counts", (await frame.getByRole("gridcell", { name: "10.5", exact: true }).count()) === 0);
  await other.screenshot({ path: `${process.env.ARTEFACTS}/embedded.png` });
  // Another site gets nothing.
  await show(`http://127.0.0.1:${attacker.address().port}`, address);
  await other.waitForLoadState();
  const seen = await other.frames()[1]?.evaluate(() => document.querySelector("#root")?.textContent ?? "").catch(() => "");
  expect("other sites do not frame it", !String(seen).includes("Shop"), seen);
  const asked = (path, secret, method = "GET", body) =>
    page.evaluate(
      async ([path, secret, method, body]) => {
        const response = await fetch(path, { method, credentials: "omit", headers: { "weir-embed": secret, "content-type": "application/json" }, body: body && JSON.stringify(body) });
        return { status: response.status, text: await response.text() };
      },
      [path, secret, method, body],
    );
  const secret = path.hash.slice(1);
  const told = await asked("/api/v1/embed", secret);
  expect("no SQL and no name of a table is told", told.status === 200 && !/select |raw_orders/i.test(told.text), told.text.slice(0, 200));
  const rows = await asked("/api/v1/embed/tiles/b", secret, "POST", { params: { who: "ada" } });
  expect("what is locked stays locked", rows.status === 200 && rows.text.includes("20") && !rows.text.includes("10.5") && !/select |raw_orders/i.test(rows.text), rows.text.slice(0, 300));
  for (const [path, method] of [["/api/v1/embed/tiles/zzz", "POST"], ["/api/v1/dashboards", "GET"], ["/api/v1/query?sql=select%201", "GET"]]) {
    const tried = await asked(path, secret, method, method === "POST" ? {} : undefined);
    expect(`the link opens no ${path}`, [401, 404].includes(tried.status), tried);
  }
  const guessed = await asked("/api/v1/embed", "f".repeat(64));
  expect("another secret opens nothing", guessed.status === 404, guessed);
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await dialog.getByRole("cell", { name: "who = bob" }).waitFor({ state: "detached" });
  const ended = await asked("/api/v1/embed", secret);
  expect("a link that was ended has ended", ended.status === 404, ended);
  await other.close();
  site.close();
});

await step("a refused event is put right", async () => {
  await sendEvent({ event: `Lost ${EVIL}`, properties: { price: 5 } });
  await page.goto(`${url}/events?tab=quarantine`);
  const mend = page.getByRole("button", { name: /^Put right/ });
  for (let i = 0; i < 50 && (await mend.count()) === 0; i += 1) {
    await page.reload();
    await page.locator(".list, .empty").first().waitFor();
  }
  await look("quarantine");
  await mend.first().click();
  const field = page.getByRole("textbox", { name: "Put the event right" });
  await field.waitFor();
  const event = JSON.parse(await field.inputValue());
  await field.fill("{");
  await page.getByRole("dialog").getByRole("status").waitFor();
  await field.fill(JSON.stringify({ ...event, type: "track" }));
  await button("Release").click();
  await page.getByText("It is refused still:").waitFor();
  await look("quarantine-mend");
  await field.fill(JSON.stringify({ ...event, type: "track", userId: "found" }));
  await button("Release").click();
  await page.getByText("The event is taken.").waitFor();
  await page.getByText("released", { exact: true }).waitFor();
  const seen = async () => (await request("POST", "/api/v1/query", { sql: "select count(*) from app.tracks where user_id = 'found'" })).json.rows[0][0];
  for (let i = 0; i < 50 && (await seen()) !== 1; i += 1) await page.reload();
  expect("it is in its table", (await seen()) === 1, await seen());
});

await step("more refused events than a page shows", async () => {
  const lost = Array.from({ length: 510 }, (_, i) => ({ event: `Lost ${i}`, properties: {} }));
  while (lost.length > 0) await Promise.all(lost.splice(0, 30).map(sendEvent));
  const total = async () => (await request("POST", "/api/v1/query", { sql: "select count(*) from weir.event_fate where fate = 'quarantined'" })).json.rows[0][0];
  for (let i = 0; i < 50 && (await total()) < 510; i += 1) await page.reload();
  await page.goto(`${url}/events?tab=quarantine`);
  await page.getByText(/These are the newest 500 of 51\d entries/).waitFor();
  await look("quarantine-many");
  await button("Older entries").click();
  await page.getByText(/^1\d entries from before/).waitFor();
  await button("The newest").click();
  await page.getByText(/These are the newest 500/).waitFor();
});

await step("home, search, dark and on a phone", async () => {
  await page.goto(`${url}/`);
  await heading("Failed lately").waitFor();
  await look("home-work");
  await page.keyboard.press("ControlOrMeta+k");
  await page.getByRole("combobox").fill("everybody who bought");
  await page.getByRole("option", { name: /customers/ }).first().waitFor();
  await page.keyboard.press("Escape");
  await page.emulateMedia({ colorScheme: "dark" });
  const pages = [["runs", "/runs"], ["run", new URL(failed).pathname], ["schedules", "/runs?tab=schedules"], ["models", "/models"], ["model", "/models/model.shop.customers"], ["sources", "/sources"], ["build", "/build"]];
  for (const [name, path] of pages) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await look(`dark-${name}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 780 });
  for (const [name, path] of pages) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await look(`phone-${name}`);
    await fits(`phone-${name}`);
  }
  expect("no script ran", (await page.evaluate(() => window.__xss)) === undefined);
});

await report();
