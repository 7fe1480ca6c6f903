// What other pages, planted sessions and viewers try.
import { address, attacker, browser, button, expect, heading, look, made, page, request, signIn, signOut, step, strangers, url, write } from "../harness.mjs";

await step("requests of other pages", async () => {
  for (const [method, path, body] of [
    ["POST", "/api/v1/query", { sql: "create table main.stolen as select 1 as a" }],
    ["POST", "/api/v1/questions", { name: "x", body: { sql: "select 1" } }],
    ["POST", "/api/v1/tokens", { scopes: ["manage"] }],
    ["POST", "/api/v1/runs", { select: [] }],
    ["POST", "/api/v1/events/released", { source: "app", seq: 1, event: {} }],
    ["POST", `/api/v1/dashboards/${made.dashboard}/embeds`, { sites: ["https://evil.example"] }],
    ["PUT", `/api/v1/dashboards/${made.dashboard}/draft`, { name: "x", body: { tiles: [] }, version: 2 }],
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
  expect("one stays here", new URL(await address()).origin === new URL(url).origin, await address());
  const now = (await browser.cookies(url)).find((cookie) => cookie.name === `weir_session_${port}`);
  expect("the secret is a new one", now !== undefined && now.value !== planted && now.value.length === 64, now?.value.length);
  await browser.clearCookies();
  await browser.addCookies([{ name: `weir_session_${port}`, value: planted, url, httpOnly: true, sameSite: "Lax" }]);
  await page.goto(`${url}/ask`);
  await heading("Sign in to Weir").waitFor();
});

await step("a viewer", async () => {
  await signIn("vera");
  await page.goto(`${url}/d/${made.dashboard}`);
  await heading("Shop").waitFor();
  // Viewers read marts and main, and not what sources fill.
  await page.getByRole("alert").first().waitFor();
  await look("viewer-dashboard");
  // It cannot be pressed, and says why.
  await page.getByRole("button", { name: "Edit" }).click({ force: true });
  await page.getByText("You may not change “Shop”.").waitFor();
  await page.goto(`${url}/d/${made.dashboard}?edit=1`);
  await heading("Shop").waitFor();
  expect("an address that edits does so for nobody who may not", (await button("Publish").count()) === 0);
  const frozen = await request("GET", `/api/v1/results/${made.result}`);
  expect("a frozen answer is checked for whoever opens it", frozen.status === 403, frozen);
  const rows = await request("GET", `/api/v1/results/${made.result}/rows`);
  expect("and so are its rows", rows.status === 403, rows);
  const sharing = { name: "mine now", sharing: "edit", body: { sql: "select 1" }, version: 1 };
  for (const [method, path, body] of [
    ["POST", "/api/v1/questions", { name: "x", body: { sql: "select 1" } }],
    ["PUT", `/api/v1/questions/${made.question}`, sharing],
    ["DELETE", `/api/v1/questions/${made.question}`],
    ["PUT", `/api/v1/questions/${made.question}/certified`, { certified: true }],
    ["POST", `/api/v1/questions/${made.question}/restore`],
    ["POST", "/api/v1/dashboards", { name: "x", body: { tiles: [] } }],
    ["PUT", `/api/v1/dashboards/${made.dashboard}`, { name: "x", body: { tiles: [] }, version: 2 }],
    ["DELETE", `/api/v1/dashboards/${made.dashboard}`],
    ["PUT", `/api/v1/dashboards/${made.dashboard}/certified`, { certified: true }],
    ["PUT", `/api/v1/dashboards/${made.dashboard}/draft`, { name: "x", body: { tiles: [] }, version: 2 }],
    ["DELETE", `/api/v1/dashboards/${made.dashboard}/draft`],
    ["POST", `/api/v1/dashboards/${made.dashboard}/publish`],
    ["GET", `/api/v1/dashboards/${made.dashboard}/embeds`],
    ["POST", `/api/v1/dashboards/${made.dashboard}/embeds`, { sites: ["https://evil.example"] }],
    ["DELETE", `/api/v1/dashboards/${made.dashboard}/embeds/x`],
    ["POST", "/api/v1/alerts", { name: "x", question: made.question, condition: { is: "rows" }, every_minutes: 5 }],
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
    ["PUT", `/api/v1/results/${made.result}/pinned`, { pinned: false }],
    ["DELETE", `/api/v1/results/${made.result}`],
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
