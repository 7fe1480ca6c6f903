// The first day: signing in, asking, saving, sharing, dashboards, data, events, users; and what other pages,
// planted sessions and viewers try.
import { readFileSync } from "node:fs";
import { attacker, browser, button, expect, EVIL, heading, look, page, passwords, report, request, setupLink, signIn, signOut, step, strangers, timings, url, write, writeKey } from "./harness.mjs";

await step("set up", async () => {
  await page.goto(`${url}/`);
  await heading("Sign in to Weir").waitFor();
  await look("sign-in");
  await page.goto(`${url}/setup#wrong`);
  await page.getByLabel("Password", { exact: true }).fill(passwords.owner);
  await page.getByLabel("Password, once more").fill(passwords.owner);
  await button("Begin").click();
  await page.getByRole("alert").getByText("no longer, good").waitFor();
  await page.goto("about:blank");
  await page.goto(setupLink);
  await look("setup");
  await page.getByLabel("Password", { exact: true }).fill(passwords.owner);
  await page.getByLabel("Password, once more").fill(passwords.owner);
  await button("Begin").click();
  await heading("Hello, owner").waitFor();
  await look("home-empty");
  const again = await request("POST", "/api/v1/setup", { secret: new URL(setupLink).hash.slice(1), user: "eve", password: "another long sentence" });
  expect("the link works once", again.status === 403, again);
});

await step("sign in", async () => {
  await signOut("owner");
  await page.getByLabel("Name").fill("owner");
  await page.getByLabel("Password").fill("wrong");
  await button("Sign in").click();
  await page.getByRole("alert").getByText("the name or the password is wrong").waitFor();
  await page.goto(`${url}/data?tab=x`);
  await signIn("owner");
  expect("one is where one wanted to be", new URL(page.url()).pathname === "/data", page.url());
  const cookies = (await browser.cookies(url)).filter((cookie) => cookie.name.startsWith("weir_session"));
  expect("the cookie is for the server only", cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Lax", cookies);
});

await step("ask", async () => {
  await page.goto(`${url}/ask`);
  await write("select event_text as event, count(*) as n\nfrom app.tracks\ngroup by 1 order by 2 desc");
  await page.keyboard.press("ControlOrMeta+Enter");
  const grid = page.getByRole("grid", { name: "Rows" });
  await grid.getByRole("gridcell", { name: "Order Completed" }).waitFor();
  await page.getByRole("status").getByText(/rows?, in/).waitFor();
  expect("what came from outside is text", await grid.getByText(EVIL.slice(0, 20), { exact: false }).count() > 0);
  await look("ask-table");
  await page.getByLabel("Chart", { exact: true }).selectOption("both");
  await page.getByRole("img", { name: /Bar chart of/ }).waitFor();
  await page.locator(".chart svg").waitFor();
  await look("ask-chart");
  expect("the state is in the address", page.url().includes("#sql=select"), page.url());
});

await step("ask again from the store", async () => {
  await write("select count(*) as n, min(weir_seq) as first from app.tracks");
  await button("Run").click();
  await page.getByRole("status").getByText(/1 row, in/).waitFor();
  const asked = await request("POST", "/api/v1/results", { sql: "select count(*) as n, min(weir_seq) as first from app.tracks" });
  expect("the answer was kept", asked.json?.result?.cached === true, asked);
});

await step("a mistake is marked where it is", async () => {
  await write("select 1;\n\nselect\n  nothing_like_it\nfrom app.tracks");
  await button("Run").click();
  await page.getByRole("alert").getByText("nothing_like_it").waitFor();
  await page.locator(".cm-lintRange-error", { hasText: "nothing_like_it" }).waitFor();
  await look("ask-mistake");
});

await step("how it is answered", async () => {
  await write("select event_text, count(*) as n from app.tracks where event_text = {{event}} group by 1");
  await page.getByRole("textbox", { name: "event" }).fill("Order Completed");
  const plan = page.getByRole("table", { name: "Plan" });
  await button("Explain").click();
  await page.getByRole("menuitem", { name: /How it would be answered/ }).click();
  await plan.getByText("Group").first().waitFor();
  expect("nothing was measured", (await plan.getByRole("columnheader", { name: "Rows" }).count()) === 0);
  await button("Explain").click();
  await page.getByRole("menuitem", { name: /Run it and measure/ }).click();
  await plan.getByRole("columnheader", { name: "Rows" }).waitFor();
  await plan.locator("summary", { hasText: "AggregateExec" }).first().click();
  await look("ask-plan");
  await button("As text").click();
  await page.getByRole("region", { name: "As text" }).getByText("metrics=[").waitFor();
  await write("drop table app.tracks");
  await button("Explain").click();
  expect("only questions are explained", await page.getByRole("menuitem", { name: /Run it and measure/ }).isDisabled());
  await page.keyboard.press("Escape");
});

await step("cancel", async () => {
  await write("select count(*) from generate_series(1, 100000000000) a");
  await button("Run").click();
  await button("Cancel").click();
  await page.getByText("Cancelled. Nothing was changed by it.").waitFor();
});

await step("a wide and a long answer", async () => {
  const wide = Array.from({ length: 500 }, (_, i) => `i + ${i} as c${i}`).join(", ");
  await write(`select ${wide} from generate_series(1, 200) t(i)`);
  await button("Run").click();
  await page.getByRole("status").getByText(/200 rows/).waitFor();
  expect("few cells are drawn", (await page.getByRole("gridcell").count()) < 2500);
  await write("select i, 'row ' || i as t from generate_series(1, 300000) t(i) order by i");
  await button("Run").click();
  await page.getByRole("status").getByText(/300,000 rows/).waitFor({ timeout: 60_000 });
  const grid = page.getByRole("grid", { name: "Rows" });
  await grid.evaluate((element) => {
    element.scrollTop = element.scrollHeight;
  });
  await grid.getByRole("gridcell", { name: "row 300000", exact: true }).waitFor();
  await look("ask-long");
});

await step("rows are sorted, chosen, copied, and told about", async () => {
  const grid = page.getByRole("grid", { name: "Rows" });
  const head = (name) => grid.getByRole("columnheader", { name: new RegExp(`^${name} `) });
  const cells = async (n) => (await grid.getByRole("gridcell").allTextContents()).slice(0, n);
  const sorted = async (name, order) => {
    await head(name).getByRole("button").first().click();
    await page.waitForFunction(([name, order]) => [...document.querySelectorAll(`[role=columnheader][aria-sort=${order}] b`)].some((one) => one.textContent === name), [name, order]);
  };
  // Not all of the long answer is here: it is asked for again.
  await sorted("i", "ascending");
  await sorted("i", "descending");
  await grid.getByRole("gridcell", { name: "row 300000", exact: true }).waitFor();
  await grid.evaluate((element) => {
    element.scrollTop = element.scrollHeight;
  });
  await grid.getByRole("gridcell", { name: "row 1", exact: true }).waitFor();
  await button("Profile of i").click();
  await page.getByRole("dialog").getByText("of the 5,000 rows that are loaded, of 300,000").waitFor();
  await look("ask-profile");
  await page.keyboard.press("Escape");
  await write("select * from (values (3, 'b', '=1+1'), (1, 'a', E'x\\ty'), (null, 'c', 'z'), (10, 'B', '')) t(n, t, u)");
  await button("Run").click();
  await page.getByRole("status").getByText(/4 rows, in/).waitFor();
  await sorted("n", "ascending");
  expect("upwards", (await cells(12)).filter((_, i) => i % 3 === 0).join() === "1,3,10,∅", await cells(12));
  await sorted("n", "descending");
  expect("downwards, what is missing last", (await cells(12)).filter((_, i) => i % 3 === 0).join() === "10,3,1,∅", await cells(12));
  await head("n").getByRole("button").first().click();
  expect("as it came", (await cells(3)).join() === "3,b,=1+1", await cells(3));
  await grid.focus();
  for (const key of ["ArrowDown", "ArrowRight", "Shift+ArrowDown", "Shift+ArrowRight"]) await page.keyboard.press(key);
  await look("ask-chosen");
  await browser.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.keyboard.press("ControlOrMeta+c");
  await page.getByText("2 rows copied").waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect("the chosen cells are copied, text as text", copied === 'b\t\'=1+1\na\t"x\ty"', copied);
  const wide = async () => (await head("t").boundingBox()).width;
  const before = await wide();
  const box = await head("t").boundingBox();
  await page.mouse.move(box.x + box.width - 2, box.y + 8);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width + 98, box.y + 8, { steps: 4 });
  await page.mouse.up();
  expect("dragged wider", (await wide()) === before + 100, [before, await wide()]);
  for (const key of ["ControlOrMeta+Home", "ArrowUp", "ArrowRight", "Alt+ArrowLeft", "Enter"]) await page.keyboard.press(key);
  expect("keys resize and sort", (await wide()) === before + 84 && (await head("t").getAttribute("aria-sort")) === "ascending", await wide());
});

let question = "";
let result = "";
await step("save a question", async () => {
  await write("select date_trunc('day', received_at) as day, count(*) as n\nfrom app.tracks\nwhere event_text = {{event}}\ngroup by 1 order by 1");
  await page.getByRole("textbox", { name: "event" }).fill("Order Completed");
  await button("Run").click();
  await page.getByRole("status").getByText(/rows?, in/).waitFor();
  await button("Save").click();
  await page.getByLabel("Name", { exact: true }).fill(`Orders ${EVIL}`);
  await look("save");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await heading(`Orders ${EVIL}`).waitFor();
  question = new URL(page.url()).pathname.split("/")[2];
  await page.getByRole("status").getByText(/rows?, in/).waitFor();
  await look("question");
});

await step("share a frozen copy, download it", async () => {
  await button("Share").click();
  await page.getByRole("menuitem", { name: /Share a frozen copy/ }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  const results = await request("GET", `/api/v1/results?limit=100`);
  result = results.json?.results?.find((one) => one.pinned)?.id ?? "";
  expect("the answer is pinned", result !== "", results);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    (async () => {
      await button("Download").click();
      await page.getByRole("menuitem", { name: "Download CSV" }).click();
    })(),
  ]);
  const text = readFileSync(await download.path(), "utf8");
  expect("the file has the rows", text.startsWith("day,n\n"), text.slice(0, 80));
  await page.goto(`${url}/r/${result}`);
  await heading(`Orders ${EVIL}`).waitFor();
  await page.getByRole("grid").waitFor();
  await look("result");
});

let dashboard = "";
await step("make a dashboard", async () => {
  await page.goto(`${url}/dashboards`);
  await button("New dashboard").click();
  await page.getByLabel("Name", { exact: true }).fill("Shop");
  dashboard = new URL(page.url()).pathname.split("/")[2];
  await button("Add a tile").click();
  await page.getByRole("menuitem", { name: "Add a question" }).click();
  await page.getByRole("dialog").getByRole("button", { name: /^Orders/ }).click();
  await button("Add a tile").click();
  await page.getByRole("menuitem", { name: "Add text" }).click();
  await page.getByRole("textbox", { name: "Text", exact: true }).fill(`Read this ${EVIL}`);
  await button("Add a tile").click();
  await page.getByRole("menuitem", { name: "Add a filter" }).click();
  await page.getByLabel("Parameter it sets").fill("event");
  await page.getByRole("dialog").getByRole("button", { name: "Add a filter" }).click();
  const grip = page.getByRole("button", { name: /^Move “Orders/ });
  await grip.focus();
  await page.keyboard.press("ArrowRight");
  await look("dashboard-edit");
  await button("Publish").click();
  await heading("Shop").waitFor();
  await page.getByRole("textbox", { name: "event" }).fill("Order Completed");
  await page.keyboard.press("Enter");
  await page.getByText(/as of/).first().waitFor();
  await page.locator(".tile .grid, .tile .chart svg, .tile .bignumber").first().waitFor();
  await look("dashboard");
  await button("More").click();
  await page.getByRole("menuitem", { name: "YAML" }).click();
  const yaml = page.getByRole("textbox", { name: "YAML" });
  await yaml.waitFor();
  expect("the text has the tiles", (await yaml.inputValue()).includes(`question: ${question}`));
  await look("dashboard-yaml");
  await page.keyboard.press("Escape");
});

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
  const certified = await request("PUT", `/api/v1/dashboards/${dashboard}/certified`, { certified: true });
  expect("certified", certified.status === 204, certified);
  await page.goto(`${url}/`);
  await page.getByRole("region", { name: "Certified" }).getByRole("link", { name: "Shop" }).waitFor();
  await request("PUT", `/api/v1/dashboards/${dashboard}/certified`, { certified: false });
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
  expect("prices are in the address", page.url().endsWith("?hour=3600"), page.url());
  await look("usage");
  await page.getByLabel("Count what the application asks by itself, too").check();
  await page.getByText("All that was ever asked").waitFor();
  const own = await request("POST", "/api/v1/query", { sql: "select count(*) from weir.queries where starts_with(sql, '/* weir: application */')" });
  expect("what the application asks is marked", own.json?.rows?.[0]?.[0] > 0, own.json);
});

await step("let a viewer in", async () => {
  await page.goto(`${url}/settings?tab=users`);
  await button("New user").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("vera");
  await dialog.getByLabel("Role").selectOption("viewer");
  await dialog.getByLabel("Password").fill(passwords.vera);
  await dialog.getByRole("button", { name: "New user" }).click();
  await page.getByText("User “vera” is there").waitFor();
  await look("settings-users");
  await page.getByRole("tab", { name: "Roles" }).click();
  await page.getByLabel("New role").fill("support");
  await button("Make the role").click();
  await page.getByLabel("Give support to").selectOption("vera");
  await button("Take support from vera").waitFor();
  const right = page.getByRole("form", { name: "Give the right" });
  await right.getByLabel("To").selectOption("support");
  await right.getByLabel("Schema").selectOption("raw_app");
  await right.getByRole("button", { name: "Give the right" }).click();
  await button("Revoke: support on raw_app").waitFor();
  await look("settings-roles");
  const given = await request("POST", "/api/v1/query", { sql: "select grantee, schema_name, table_name, privileges from weir.grants where grantee = 'support'" });
  expect("the right is given", JSON.stringify(given.json?.rows) === '[["support","raw_app",null,"SELECT"]]', given.json);
  await button("Revoke: support on raw_app").click();
  await button("Undo").click();
  await button("Revoke: support on raw_app").waitFor();
  await button("Remove: support").click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await button("Revoke: support on raw_app").waitFor({ state: "detached" });
  await page.getByRole("tab", { name: "Tokens" }).click();
  await page.getByLabel("What it is for").fill("a notebook");
  await button("New token").click();
  await page.getByText("This is the only time it is shown").waitFor();
  await page.getByRole("tab", { name: "Write keys" }).click();
  await page.getByRole("table").waitFor();
  await look("settings-keys");
  await page.getByRole("tab", { name: "Me" }).click();
  await look("settings");
  await page.getByLabel("Colours").selectOption("dark");
});

await step("dark", async () => {
  for (const [name, path] of [["home", "/"], ["ask", "/ask"], ["dashboard", `/d/${dashboard}`], ["data", "/data"], ["events", "/events"], ["usage", "/usage"]]) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await look(`dark-${name}`);
  }
});

await step("on a phone", async () => {
  await page.setViewportSize({ width: 390, height: 780 });
  for (const [name, path] of [["home", "/"], ["question", `/q/${question}?p.event=Order+Completed`], ["dashboard", `/d/${dashboard}`], ["data", "/data"], ["events", "/events"]]) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await look(`phone-${name}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(`phone-${name} fits`, wide <= 0, wide);
  }
  await page.setViewportSize({ width: 1360, height: 860 });
});

await step("requests of other pages", async () => {
  for (const [method, path, body] of [
    ["POST", "/api/v1/query", { sql: "create table main.stolen as select 1 as a" }],
    ["POST", "/api/v1/questions", { name: "x", body: { sql: "select 1" } }],
    ["POST", "/api/v1/tokens", { scopes: ["manage"] }],
    ["POST", "/api/v1/runs", { select: [] }],
    ["POST", "/api/v1/events/released", { source: "app", seq: 1, event: {} }],
    ["POST", `/api/v1/dashboards/${dashboard}/embeds`, { sites: ["https://evil.example"] }],
    ["PUT", `/api/v1/dashboards/${dashboard}/draft`, { name: "x", body: { tiles: [] }, version: 2 }],
    ["DELETE", "/api/v1/session"],
  ]) {
    const forgotten = await request(method, path, body, { "weir-csrf": null });
    expect(`${method} ${path} without the token is refused`, forgotten.status === 403, forgotten);
    const wrong = await request(method, path, body, { "weir-csrf": "0".repeat(32) });
    expect(`${method} ${path} with a wrong token is refused`, wrong.status === 403, wrong);
  }
  const other = await browser.newPage();
  await other.goto(`http://127.0.0.1:${attacker.address().port}/`);
  const framed = await other.evaluate(async () => {
    const frame = document.querySelector("#frame");
    return { blocked: frame.contentDocument === null, length: window.frames.length };
  });
  expect("no page frames ours", (await other.frames()[1]?.evaluate(() => document.querySelector("#root") !== null).catch(() => false)) !== true, framed);
  const posted = await Promise.all([other.waitForResponse((response) => response.url().includes("/api/v1/session")), other.evaluate(() => document.querySelector("#f").submit())]);
  expect("a form of another site signs nobody in", posted[0].status() >= 400, posted[0].status());
  await other.waitForURL(/api\/v1\/session/);
  await other.waitForLoadState();
  await other.goto(`http://127.0.0.1:${attacker.address().port}/`);
  const read = await other.evaluate(async (address) => {
    try {
      return (await fetch(`${address}/api/v1/session`, { credentials: "include" })).status;
    } catch {
      return "refused";
    }
  }, url);
  expect("another site reads nothing", read === "refused", read);
  await other.close();
  const still = await request("GET", "/api/v1/me");
  expect("the session is still there", still.status === 200, still);
});

await step("addresses that lead elsewhere", async () => {
  await signOut("owner");
  await page.goto(`${url}/sign-in?next=//evil.example/x`);
  // A secret that somebody planted is not taken for a session.
  const planted = "f".repeat(64);
  const port = new URL(url).port;
  await browser.addCookies([{ name: `weir_session_${port}`, value: planted, url, httpOnly: true, sameSite: "Lax" }]);
  await signIn("owner");
  expect("one stays here", new URL(page.url()).origin === new URL(url).origin, page.url());
  const now = (await browser.cookies(url)).find((cookie) => cookie.name === `weir_session_${port}`);
  expect("the secret is a new one", now !== undefined && now.value !== planted && now.value.length === 64, now?.value.length);
  await browser.clearCookies();
  await browser.addCookies([{ name: `weir_session_${port}`, value: planted, url, httpOnly: true, sameSite: "Lax" }]);
  await page.goto(`${url}/ask`);
  await heading("Sign in to Weir").waitFor();
});

await step("a viewer", async () => {
  await signIn("vera");
  await page.goto(`${url}/d/${dashboard}`);
  await heading("Shop").waitFor();
  // Viewers read marts and main, and not what sources fill.
  await page.getByRole("alert").first().waitFor();
  await look("viewer-dashboard");
  // It cannot be pressed, and says why.
  await page.getByRole("button", { name: "Edit" }).click({ force: true });
  await page.getByText("You may not change “Shop”.").waitFor();
  const frozen = await request("GET", `/api/v1/results/${result}`);
  expect("a frozen answer is checked for whoever opens it", frozen.status === 403, frozen);
  const rows = await request("GET", `/api/v1/results/${result}/rows`);
  expect("and so are its rows", rows.status === 403, rows);
  const sharing = { name: "mine now", sharing: "edit", body: { sql: "select 1" }, version: 1 };
  for (const [method, path, body] of [
    ["POST", "/api/v1/questions", { name: "x", body: { sql: "select 1" } }],
    ["PUT", `/api/v1/questions/${question}`, sharing],
    ["DELETE", `/api/v1/questions/${question}`],
    ["PUT", `/api/v1/questions/${question}/certified`, { certified: true }],
    ["POST", `/api/v1/questions/${question}/restore`],
    ["POST", "/api/v1/dashboards", { name: "x", body: { tiles: [] } }],
    ["PUT", `/api/v1/dashboards/${dashboard}`, { name: "x", body: { tiles: [] }, version: 2 }],
    ["DELETE", `/api/v1/dashboards/${dashboard}`],
    ["PUT", `/api/v1/dashboards/${dashboard}/certified`, { certified: true }],
    ["PUT", `/api/v1/dashboards/${dashboard}/draft`, { name: "x", body: { tiles: [] }, version: 2 }],
    ["DELETE", `/api/v1/dashboards/${dashboard}/draft`],
    ["POST", `/api/v1/dashboards/${dashboard}/publish`],
    ["GET", `/api/v1/dashboards/${dashboard}/embeds`],
    ["POST", `/api/v1/dashboards/${dashboard}/embeds`, { sites: ["https://evil.example"] }],
    ["DELETE", `/api/v1/dashboards/${dashboard}/embeds/x`],
    ["POST", "/api/v1/alerts", { name: "x", question, condition: { is: "rows" }, every_minutes: 5 }],
    ["DELETE", "/api/v1/alerts/x"],
    ["POST", "/api/v1/alerts/x/check"],
    ["GET", "/api/v1/events/released"],
    ["POST", "/api/v1/events/released", { source: "app", seq: 1, event: { type: "track", event: "x", userId: "x" } }],
    ["GET", "/api/v1/runs"],
    ["POST", "/api/v1/runs", { select: [] }],
    ["POST", "/api/v1/runs/1/retry", {}],
    ["POST", "/api/v1/runs/1/cancel"],
    ["GET", "/api/v1/schedules"],
    ["POST", "/api/v1/schedules/x/pause"],
    ["POST", "/api/v1/schedules/x/resume", {}],
    ["POST", "/api/v1/schedules/x/trigger", {}],
    ["POST", "/api/v1/backfills", { schedule: "x" }],
    ["GET", "/api/v1/extract"],
    ["POST", "/api/v1/extract/x/sync", {}],
    ["PUT", "/api/v1/extract/x/state", { state: null }],
    ["POST", "/api/v1/extract/undo", { run: "x-1" }],
    ["PUT", `/api/v1/results/${result}/pinned`, { pinned: false }],
    ["DELETE", `/api/v1/results/${result}`],
    ["POST", "/api/v1/query", { sql: "insert into app.tracks select * from app.tracks" }],
    ["POST", "/api/v1/query", { sql: "create table main.mine as select 1 as a" }],
    ["POST", "/api/v1/results", { sql: "drop table app.tracks" }],
    ["POST", "/api/v1/users", { name: "eve", roles: ["owner"] }],
    ["PUT", "/api/v1/users/vera/roles/owner"],
    ["PUT", "/api/v1/users/owner/password", { password: "a long sentence of mine" }],
    ["POST", "/api/v1/roles", { name: "x" }],
    ["POST", "/api/v1/grants", { grantee: "vera", schema: "app", privileges: ["select"] }],
    ["POST", "/api/v1/keys", { source: "app" }],
    ["PUT", "/api/v1/sources/app", { enabled: false }],
    ["POST", "/api/v1/lake/flush"],
    ["POST", "/api/v1/lake/compact", {}],
    ["POST", "/api/v1/rebuild", { dry_run: true }],
    ["GET", "/api/v1/audit"],
    ["GET", "/api/v1/tail"],
  ]) {
    const tried = await request(method, path, body);
    expect(`a viewer may not ${method} ${path}`, [400, 403, 404].includes(tried.status) && tried.status !== 200, tried);
  }
  await page.goto(`${url}/settings?tab=roles`);
  await page.getByRole("tab", { name: "Me" }).waitFor();
  expect("and sees no rights of others", (await page.getByRole("tab", { name: "Roles" }).count()) === 0);
  await page.goto(`${url}/ask`);
  await write("select 1 as one");
  await button("Run").click();
  await page.getByRole("gridcell", { name: "1", exact: true }).waitFor();
});

await step("nothing that came from outside ran", async () => {
  expect("no script ran", (await page.evaluate(() => window.__xss)) === undefined);
  expect("the pages ask nobody else", strangers.length === 0, strangers);
});

await step("the shell is there at once", async () => {
  const fresh = await browser.newPage();
  await fresh.goto("about:blank");
  const start = Date.now();
  await fresh.goto(`${url}/`);
  await fresh.getByRole("navigation", { name: "Main" }).waitFor();
  timings.shell_ms = Date.now() - start;
  await fresh.close();
});

await report();
