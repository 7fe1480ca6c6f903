// What goes on by itself: questions that are kept as tables, dashboards that are files under git, dashboards that
// are sent; and whose all of it is.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { button, expect, EVIL, heading, look, page, report, request, setUp, step, url } from "./harness.mjs";

const project = (path) => join(process.env.PROJECT, path);
const link = (name) => page.getByRole("link", { name, exact: true });
const dialog = page.getByRole("dialog");
const more = async (item) => {
  await button("More").click();
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
  await page.getByRole("link", { name: "app.tracks", exact: true }).waitFor();
  await look("rollup-table");
  await page.goto(`${url}/runs?tab=schedules`);
  await link("rollup.owner.by_event").waitFor();
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
  await more("Send it");
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
