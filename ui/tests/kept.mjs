// What goes on by itself: questions that are kept as tables, dashboards that are files under git, dashboards that
// are sent; and whose all of it is.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { address, browser, button, expect, EVIL, heading, look, page, report, request, setUp, step, url } from "./harness.mjs";

const project = (path) => join(process.env.PROJECT, path);
const link = (name) => page.getByRole("link", { name, exact: true });
const dialog = page.getByRole("dialog");
const more = async (item, menu = "More") => {
  await button(menu).click();
  await page.getByRole("menuitem", { name: item }).click();
};

/** Waits until something on the disk or in the network is as it is to be. */
async function until(what, work) {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    const found = await work();
    if (found) return found;
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  throw new Error(`waited in vain: ${what}`);
}

const sent = [];
const receiver = createServer((asked, response) => {
  let body = "";
  asked.on("data", (part) => {
    body += part;
  });
  asked.on("end", () => {
    sent.push(JSON.parse(body));
    response.end();
  });
});
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));

await step("set up", setUp);

let question = "";
await step("a question is kept as a table", async () => {
  const made = await request("POST", "/api/v1/questions", { name: `Events ${EVIL}`, sharing: "edit", body: { sql: "select event, count(*) as n from app.tracks group by 1", chart: { kind: "bar", x: "event", y: ["n"] }, view: "chart" } });
  question = made.json.id;
  await page.goto(`${url}/q/${question}`);
  await heading(`Events ${EVIL}`).waitFor();
  await more("Keep as a table");
  await look("rollup-new");
  await dialog.getByLabel("Table", { exact: true }).fill("by_event");
  await dialog.getByRole("combobox", { name: "Built" }).selectOption("every hour");
  await dialog.getByRole("button", { name: "Keep as a table" }).click();
  await dialog.getByText("succeeded").waitFor({ timeout: 60_000 });
  await dialog.getByText("app.tracks").waitFor();
  await look("rollup");
  await page.keyboard.press("Escape");
  await link("kept as owner.by_event").click();
  await link(`Events ${EVIL}`).waitFor();
  await page.getByText("owned by owner").or(page.getByText("Nobody owns it")).waitFor();
  await page.getByRole("tab", { name: "Lineage" }).click();
  await page.getByRole("link", { name: /^app\.tracks/ }).first().waitFor();
  await look("rollup-table");
  await page.goto(`${url}/runs?tab=schedules`);
  await link("Kept table").waitFor();
  await link("owner.by_event").waitFor();
  await page.goto(`${url}/models`);
  await link("by_event").click();
  await heading("Models / by_event").waitFor();
});

let board = "";
const tile = (title) => ({ id: "a", question, title, x: 0, y: 0, w: 6, h: 5 });
const draft = (title, version) => ({ name: "Board", sharing: "edit", version, body: { tiles: [tile(title)], filters: [] } });
const file = project("dashboards/board.yml");
await step("a dashboard is a file, and the file a dashboard", async () => {
  mkdirSync(project("dashboards"));
  board = (await request("POST", "/api/v1/dashboards", draft("First"))).json.id;
  await until("the file", () => existsSync(file) && readFileSync(file, "utf8").includes("title: First"));
  writeFileSync(file, readFileSync(file, "utf8").replace("title: First", "title: From the disk"));
  await until("the dashboard", async () => JSON.stringify((await request("GET", `/api/v1/dashboards/${board}`)).json).includes("From the disk"));
  await page.goto(`${url}/d/${board}`);
  await page.getByRole("region", { name: "From the disk" }).waitFor();
});

await step("a file that is wrong is told", async () => {
  const good = readFileSync(file, "utf8");
  writeFileSync(file, good.replace("w: 6", "w: 66"));
  writeFileSync(project("dashboards/evil.yml"), JSON.stringify({ version: 1, name: "x", tiles: [], [EVIL]: 1 }));
  await page.goto(`${url}/dashboards`);
  await page.getByText("`w` is not a whole number from 1 to 12").waitFor();
  await page.getByText(`a dashboard has no \`${EVIL}\``).waitFor();
  await look("files-wrong");
  writeFileSync(file, good);
  await page.getByText("`w` is not a whole number from 1 to 12").waitFor({ state: "detached" });
});

await step("where both were changed somebody is asked", async () => {
  const { version } = (await request("GET", `/api/v1/dashboards/${board}`)).json;
  // A file that is wrong is not written over: so both are changed, whoever is quicker.
  const good = readFileSync(file, "utf8");
  writeFileSync(file, good.replace("w: 6", "w: 66"));
  await until("the problem", async () => (await request("GET", "/api/v1/files")).json.problems.length === 2);
  expect("saved", (await request("PUT", `/api/v1/dashboards/${board}`, draft("Mine", version))).status === 200);
  writeFileSync(file, good.replace(/title: .*/, "title: Theirs"));
  await until("the conflict", async () => (await request("GET", "/api/v1/files")).json.conflicts.length === 1);
  await page.goto(`${url}/d/${board}`);
  await page.getByRole("region", { name: "Mine" }).waitFor();
  await page.getByRole("alert").getByText("dashboards/board.yml was changed on the disk").waitFor();
  await look("files-conflict");
  await button("Take what the file says").click();
  await page.getByRole("region", { name: "Theirs" }).waitFor();
  await page.getByRole("alert").waitFor({ state: "detached" });
});

await step("a dashboard is sent", async () => {
  await page.goto(`${url}/d/${board}`);
  await more("Send it", "Share");
  await dialog.getByText("Nobody can be sent anything yet.").waitFor();
  writeFileSync(project("schedules.yml"), `alerts:\n  team: {webhook: "http://127.0.0.1:${receiver.address().port}/"}\n`);
  await dialog.getByLabel("team").check();
  await look("delivery-new");
  await dialog.getByRole("button", { name: "Have it sent" }).click();
  await dialog.getByRole("button", { name: "Send now" }).click();
  const letter = await until("the letter", () => sent[0]);
  expect("the letter is drawn", letter.tiles[0].svg.startsWith("<svg "), letter);
  await dialog.getByText("succeeded").waitFor();
  await look("delivery");
  // Neither among schedules nor among runs does anybody meet its number.
  for (const at of ["/runs?tab=schedules", "/runs"]) {
    await page.goto(url + at);
    await page.getByRole("main").getByRole("link", { name: /^Delivery of( a dashboard)?$/ }).first().waitFor();
  }
  await look("runs-delivery");
});

let dated = "";
await step("a range of days and any are kept in the address", async () => {
  const sql = "select event, count(*) as n from app.tracks where ({{period_from}} is null or received_at >= {{period_from}}) and ({{period_to}} is null or received_at < {{period_to}}) and ({{event}} is null or event_text = {{event}}) group by 1 order by 1";
  const parameters = [{ name: "period_from", type: "date" }, { name: "period_to", type: "date" }, { name: "event", type: "text" }];
  const asks = (await request("POST", "/api/v1/questions", { name: "Dated", sharing: "read", body: { sql, parameters, view: "chart", chart: { kind: "bar", x: "event", y: ["n"] } } })).json.id;
  const filters = [{ name: "period", label: "Period", type: "date_range", default: "last_7_days" }, { name: "event", type: "text", default: "Seen" }];
  const body = { tiles: [{ id: "a", question: asks, title: "Dated", x: 0, y: 0, w: 6, h: 5 }, { id: "t", title: "Read me", text: `# What\n**Bold** [in](/q/${asks}) [bad](javascript:window.__xss=1) ${EVIL}\n- one`, x: 6, y: 0, w: 6, h: 5 }], filters };
  const wrong = await request("POST", "/api/v1/dashboards", { name: "Wrong", body: { tiles: [], filters: [{ ...filters[0], default: "last_7_dys" }] } });
  expect("a default that is no range is refused", wrong.status === 400 && wrong.text.includes("last_7_days"), wrong);
  dated = (await request("POST", "/api/v1/dashboards", { name: "Dated", sharing: "read", body })).json.id;
  const asked = [];
  page.on("request", (one) => one.method() === "POST" && one.url().endsWith("/api/v1/results") && asked.push(JSON.parse(one.postData()).params ?? {}));
  const told = (what, good) => until(what, () => asked.some(good));
  await page.goto(`${url}/d/${dated}`);
  await page.locator(".tile .chart svg").waitFor();
  expect("the range has seven days", asked.some(({ period_from, period_to, event }) => event === "Seen" && Date.parse(period_to) - Date.parse(period_from) === 7 * 86_400_000), asked);
  await page.getByLabel("Period").selectOption("this_month");
  await told("the first of the month", ({ period_from }) => period_from?.endsWith("-01"));
  expect("the address has the name", (await address()).includes("f.period=this_month"), await address());
  await page.getByLabel("Period").selectOption("between");
  await page.getByLabel("From").fill("2026-01-05");
  await page.keyboard.press("Enter");
  await page.getByLabel("To", { exact: true }).fill("2026-01-09");
  await page.keyboard.press("Enter");
  await told("the day after the last", ({ period_from, period_to }) => period_from === "2026-01-05" && period_to === "2026-01-10");
  await button("event: any").click();
  await told("no value at all", ({ event }) => event === null);
  await look("dashboard-range");
  await page.goto(`${url}/d/${dated}?f.period=&f.event=`);
  await told("neither", ({ period_from, event }) => period_from === null && event === null);
  await page.locator(".tile .chart svg").waitFor();
  const text = page.getByRole("region", { name: "Read me" });
  await text.getByRole("heading", { name: "What" }).waitFor();
  expect("texts have links and no scripts", (await text.getByRole("link").count()) === 1 && (await text.locator("script, img").count()) === 0);
  await look("dashboard-text");
});

await step("another site shows the range that is the default, and asks for others", async () => {
  const { embed, path } = (await request("POST", `/api/v1/dashboards/${dated}/embeds`, { sites: ["https://example.com"], locked: { event: "Seen" } })).json;
  const wrong = await request("POST", `/api/v1/dashboards/${dated}/embeds`, { sites: ["https://example.com"], locked: { period: "last_wek" } });
  expect("what is locked is a range", wrong.status === 400, wrong);
  expect("what is locked is not in the link", !path.includes("Seen"), embed);
  const own = await browser.newPage();
  const asked = [];
  own.on("request", (one) => one.url().includes("/api/v1/embed/tiles/") && asked.push(JSON.parse(one.postData()).params));
  await own.goto(url + path);
  await own.locator(".tile .chart svg").waitFor();
  expect("seven days", asked.some(({ period_from, period_to }) => Date.parse(period_to) - Date.parse(period_from) === 7 * 86_400_000), asked);
  await own.getByLabel("Period").selectOption({ label: "yesterday" });
  await until("yesterday", () => asked.some(({ period_from, period_to }) => Date.parse(period_to) - Date.parse(period_from) === 86_400_000));
  await own.getByText("No rows").waitFor();
  await own.close();
});

await step("an alert tells whom somebody chose", async () => {
  await page.goto(`${url}/q/${question}`);
  await page.getByRole("status").getByText(/rows?, in/).waitFor();
  await more("Alerts");
  await dialog.getByRole("combobox", { name: "Bad news is" }).selectOption("any row");
  await dialog.getByLabel("team").uncheck();
  await dialog.getByTitle("Choose who is told.").waitFor();
  await dialog.getByLabel("team").check();
  await look("alert-new");
  const before = sent.length;
  await dialog.getByRole("button", { name: "New alert" }).click();
  await until("the news", () => sent.slice(before).find((one) => one.kind === "raised" && one.key.startsWith("question:Events")));
  await dialog.getByRole("cell", { name: "team", exact: true }).waitFor();
  await look("alert");
  await page.keyboard.press("Escape");
});

await step("what is told and sent rests on what it is about", async () => {
  await page.goto(`${url}/data/app/tracks?tab=lineage`);
  const rests = page.getByRole("region", { name: "What breaks if it changes" });
  await rests.getByRole("row", { name: /delivery/ }).getByRole("link", { name: "Board" }).waitFor();
  await rests.getByRole("row", { name: /alert/ }).getByRole("link").click();
  await dialog.getByRole("heading", { name: "Alerts" }).waitFor();
  expect("the alert is where its question is", (await address()).includes(`/q/${question}?open=alerts`), await address());
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect("a closed dialog stays closed", !(await address()).includes("open="), await address());
  await page.goBack();
  await page.getByRole("link", { name: /^Board delivery$/ }).waitFor();
  await look("lineage-told");
  await page.getByRole("link", { name: /^Board delivery$/ }).click();
  await dialog.getByRole("heading", { name: "Send it" }).waitFor();
  await page.keyboard.press("Escape");
});

await step("what a chart shows is a file, and a frozen answer opens as it was shared", async () => {
  await page.goto(`${url}/d/${dated}`);
  await page.locator(".tile .chart svg").waitFor();
  await page.locator(".tile .chart").hover();
  await page.getByRole("button", { name: /Dated/ }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: /Download CSV/ }).click()]);
  const text = readFileSync(await download.path(), "utf8");
  expect("the file has what is drawn", text.includes("event,n\n") && text.includes("seen,2\n"), text);
  await page.goto(`${url}/q/${question}`);
  await page.getByRole("status").getByText(/rows?, in/).waitFor();
  await page.getByLabel("Kind").selectOption("pie");
  await button("Share").click();
  await page.getByRole("menuitem", { name: /Share a frozen copy/ }).click();
  await page.getByText("Copied").waitFor();
  const frozen = (await request("GET", "/api/v1/results?limit=100")).json.results.find((one) => one.pinned);
  await page.goto(`${url}/r/${frozen.id}#view=chart&chart=${encodeURIComponent(JSON.stringify({ kind: "pie", x: "event", y: ["n"] }))}`);
  await heading(`Events ${EVIL}`).waitFor();
  await page.locator(".chart svg").waitFor();
  expect("the kind is the one that was shared", (await page.getByLabel("Kind").inputValue()) === "pie");
  await look("frozen-chart");
});

await step("a dashboard has versions, a certificate, and an end", async () => {
  const { name, sharing, body } = (await request("GET", `/api/v1/dashboards/${dated}`)).json;
  await request("PUT", `/api/v1/dashboards/${dated}`, { name, sharing, version: 1, body: { ...body, tiles: body.tiles.slice(1) } });
  await page.goto(`${url}/d/${dated}`);
  await more("Versions");
  await look("dashboard-versions");
  await link("version 1").click();
  await page.getByRole("region", { name: "Dated" }).waitFor();
  await button("Make this the newest").click();
  await page.getByText("It is as it was in version 1.").waitFor();
  expect("it is a version more", (await request("GET", `/api/v1/dashboards/${dated}`)).json.version === 3);
  await more("Certify");
  await page.getByText("Certified", { exact: true }).first().waitFor();
  await more("Remove the dashboard");
  await look("dashboard-remove");
  await dialog.getByRole("button", { name: "Remove the dashboard" }).click();
  await heading("Dashboards").waitFor();
  await link("Dated").waitFor({ state: "detached" });
  await button("Undo").click();
  await link("Dated").waitFor();
});

await step("what one owns is shown, and given away", async () => {
  await request("POST", "/api/v1/users", { name: "vera", roles: ["analyst"], password: "a long sentence for the viewer" });
  await page.goto(`${url}/`);
  await heading("What you own").waitFor();
  const mine = page.getByRole("region", { name: "What you own" });
  await mine.getByRole("link", { name: "Board" }).waitFor();
  await look("home-mine");
  await page.goto(`${url}/d/${board}`);
  await more("Give it to somebody else");
  await dialog.getByLabel("Owner").selectOption("vera");
  await look("owner");
  await dialog.getByRole("button", { name: "Give" }).click();
  await page.getByText("owned by vera").waitFor();
  await page.goto(`${url}/data/app/tracks`);
  await button("Give it to somebody else").click();
  await dialog.getByLabel("Owner").selectOption("vera");
  await dialog.getByRole("button", { name: "Give" }).click();
  await page.getByText("owned by vera").waitFor();
  await page.goto(`${url}/data`);
  await page.getByRole("cell", { name: "vera", exact: true }).first().waitFor();
});

expect("nothing became a script", !(await page.evaluate(() => window.__xss)));
receiver.close();
await report();
