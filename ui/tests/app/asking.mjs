// Signing in, asking, and what one does with the rows.
import { address, browser, button, EVIL, expect, heading, look, page, passwords, request, setupLink, signIn, signOut, step, url, write } from "../harness.mjs";

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
  const other = await browser.newPage();
  await other.goto(`${url}/questions`);
  await other.getByRole("heading", { name: "Questions", exact: true }).waitFor();
  await signOut("owner");
  // In all windows, and nothing waits in them for somebody to come back.
  await other.getByRole("heading", { name: "Sign in to Weir" }).waitFor();
  expect("who goes by themselves is gone everywhere", (await other.getByText("what you typed is still here").count()) === 0);
  await other.close();
  await page.getByLabel("Name").fill("owner");
  await page.getByLabel("Password").fill("wrong");
  await button("Sign in").click();
  await page.getByRole("alert").getByText("the name or the password is wrong").waitFor();
  await page.goto(`${url}/data?tab=x`);
  await signIn("owner");
  expect("one is where one wanted to be", new URL(await address()).pathname === "/data", await address());
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
  await page.getByRole("combobox", { name: "Chart", exact: true }).selectOption("both");
  await page.getByRole("img", { name: /Bar chart of/ }).waitFor();
  await page.locator(".chart svg").waitFor();
  await look("ask-chart");
  expect("the state is in the address", (await address()).includes("#sql=select"), await address());
});

await step("ask again from the store", async () => {
  await write("select count(*) as n, min(weir_seq) as first from app.tracks");
  await button("Run").click();
  await page.getByRole("status").getByText(/1 row, in/).waitFor();
  const asked = await request("POST", "/api/v1/results", { sql: "select count(*) as n, min(weir_seq) as first from app.tracks" });
  expect("the answer was kept", asked.json?.result?.cached === true, asked);
});

await step("what is no number is told as such", async () => {
  await write("select 'k' || i as k, case i when 2 then 'NaN'::double precision when 4 then '-Infinity'::double precision else i end as x from generate_series(1, 5) t(i)");
  await button("Run").click();
  const grid = page.getByRole("grid", { name: "Rows" });
  await grid.getByRole("gridcell", { name: "NaN", exact: true }).waitFor();
  expect("it stands as numbers do", await grid.getByRole("gridcell", { name: "-Infinity", exact: true }).evaluate((cell) => getComputedStyle(cell).textAlign === "right"));
  await page.getByText("2 values are NaN or infinite, and not drawn.").waitFor();
  await grid.getByRole("button", { name: "Profile of x" }).click();
  const profile = page.getByRole("dialog", { name: "x" });
  await profile.getByText("-Infinity").waitFor();
  await look("ask-nan");
  await profile.getByRole("button", { name: "Close" }).click();
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

await step("tables stand beside the editor", async () => {
  await page.goto(`${url}/ask`);
  await write("select count(*) from ");
  await page.keyboard.press("Escape");
  const tables = page.getByRole("complementary", { name: "Tables" });
  await tables.getByRole("searchbox").fill("order_completed");
  await tables.getByRole("button", { name: "order_completed", exact: true }).click();
  await tables.getByRole("button", { name: /^price/ }).waitFor();
  await tables.getByRole("button", { name: "Insert app.order_completed" }).click();
  await page.locator(".cm-line", { hasText: "from app.order_completed" }).waitFor();
  await look("ask-tables");
  await button("Tables").click();
  await tables.waitFor({ state: "detached" });
});
