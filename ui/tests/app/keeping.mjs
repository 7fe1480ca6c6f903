// Questions with a name, frozen answers, files, dashboards.
import { readFileSync } from "node:fs";
import { address, browser, button, EVIL, expect, heading, look, made, page, passwords, request, step, url, write } from "../harness.mjs";

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
  made.question = new URL(await address()).pathname.split("/")[2];
  await page.getByRole("status").getByText(/rows?, in/).waitFor();
  await look("question");
});

await step("share a frozen copy, download it", async () => {
  await button("Share").click();
  await page.getByRole("menuitem", { name: /Share a frozen copy/ }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  const results = await request("GET", `/api/v1/results?limit=100`);
  made.result = results.json?.results?.find((one) => one.pinned)?.id ?? "";
  expect("the answer is pinned", made.result !== "", results);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    (async () => {
      await button("Download").click();
      await page.getByRole("menuitem", { name: "Download CSV" }).click();
    })(),
  ]);
  const text = readFileSync(await download.path(), "utf8");
  expect("the file has the rows", text.startsWith("day,n\n"), text.slice(0, 80));
  await page.goto(`${url}/r/${made.result}`);
  await heading(`Orders ${EVIL}`).waitFor();
  await page.getByRole("grid").waitFor();
  await look("result");
});

await step("make a dashboard", async () => {
  await page.goto(`${url}/dashboards`);
  await button("New dashboard").click();
  await page.getByLabel("Name", { exact: true }).fill("Shop");
  made.dashboard = new URL(await address()).pathname.split("/")[2];
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
  expect("the text has the tiles", (await yaml.inputValue()).includes(`question: ${made.question}`));
  await look("dashboard-yaml");
  await page.keyboard.press("Escape");
});

await step("a question is put on a dashboard from its own page, and shared", async () => {
  const dialog = page.getByRole("dialog");
  await page.goto(`${url}/q/${made.question}`);
  await button("More").click();
  await page.getByRole("menuitem", { name: "Put on a dashboard" }).click();
  await look("put");
  await dialog.getByRole("button", { name: "On a new dashboard" }).click();
  await page.getByRole("button", { name: /^Move “Orders/ }).waitFor();
  await page.waitForFunction(() => !location.search.includes("put="));
  await button("Add a tile").click();
  await page.getByRole("menuitem", { name: "Add a filter" }).click();
  await dialog.getByRole("button", { name: /^event/ }).click();
  expect("a filter for what the question takes is offered", (await dialog.getByLabel("Parameter it sets").inputValue()) === "event");
  await look("filter-offered");
  await dialog.getByRole("button", { name: "Add a filter", exact: true }).click();
  await button("Publish").click();
  await heading("New dashboard").waitFor();
  expect("it is there once", (await page.locator(".tile").count()) === 1);
  await button("Share").click();
  await page.getByRole("menuitem", { name: "Copy the link" }).waitFor();
  await look("dashboard-share");
  await page.keyboard.press("Escape");
  const gone = await request("DELETE", `/api/v1${new URL(await address()).pathname.replace("/d/", "/dashboards/")}`);
  expect("and is removed", gone.status < 300, gone);
});

const door = page.getByRole("dialog", { name: "Sign in to Weir" });

async function comeBack() {
  await door.getByLabel("Name").fill("owner");
  await door.getByLabel("Password").fill(passwords.owner);
  await door.getByRole("button", { name: "Sign in" }).click();
  await door.waitFor({ state: "detached" });
}

await step("a session that ends takes nothing away", async () => {
  await page.goto(`${url}/d/${made.dashboard}?edit=1`);
  const name = page.getByRole("main").getByRole("textbox", { name: "Name", exact: true });
  const before = await name.inputValue();
  // No answer tells that the session is over before something was typed: the door has a name to fill, too.
  let go;
  const typed = new Promise((resolve) => {
    go = resolve;
  });
  await page.route("**/api/v1/**", async (route) => {
    await typed;
    await route.continue();
  });
  await browser.clearCookies();
  await name.fill("Written without a session");
  go();
  await door.getByText("what you typed is still here").waitFor();
  await look("session-over");
  await page.keyboard.press("Escape");
  await comeBack();
  expect("what was typed is still there", (await name.inputValue()) === "Written without a session", await name.inputValue());
  // The draft that could not be kept is kept by itself.
  await page.getByText("There are changes that are not saved.").waitFor({ state: "detached" });
  await button("Discard changes").click();
  await heading(before).waitFor();
  await page.unroute("**/api/v1/**");
});

await step("nor one whose end is found out by coming back to the window", async () => {
  await page.goto(`${url}/ask`);
  await write("SELECT 'typed before it was over'");
  const editor = page.getByRole("textbox", { name: "SQL" });
  await editor.evaluate((element) => {
    element.wasTypedInto = true;
  });
  // Nothing is refused: only who asks for the session hears that it is over, until they sign in.
  let over = true;
  await page.route("**/api/v1/session", async (route) => {
    over &&= route.request().method() === "GET";
    if (!over) return route.fallback();
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), user: null } });
  });
  await page.evaluate(() => {
    // They were away for long enough.
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  });
  await door.getByText("what you typed is still here").waitFor();
  await comeBack();
  await page.unroute("**/api/v1/session");
  const same = await editor.evaluate((element) => element.wasTypedInto === true);
  expect("the page is the one that they left", same && (await editor.innerText()).includes("typed before it was over"));
});
