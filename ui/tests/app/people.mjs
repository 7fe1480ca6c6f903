// Users, roles and rights; dark, and on a phone.
import { button, expect, fits, look, made, page, passwords, request, step, url } from "../harness.mjs";

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
  for (const [name, path] of [["home", "/"], ["ask", "/ask"], ["dashboard", `/d/${made.dashboard}`], ["data", "/data"], ["events", "/events"], ["usage", "/usage"]]) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await look(`dark-${name}`);
  }
});

await step("on a phone", async () => {
  await page.setViewportSize({ width: 390, height: 780 });
  const event = "/events/app/Order%20Completed";
  const pages = [
    ["home", "/"], ["question", `/q/${made.question}?p.event=Order+Completed`], ["dashboard", `/d/${made.dashboard}`], ["data", "/data"], ["events", "/events"],
    ["questions", "/questions"], ["dashboards", "/dashboards"], ["versions", "/data/app/tracks?tab=versions"], ["users", "/settings?tab=users"], ["event", event],
  ];
  for (const [name, path] of pages) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await look(`phone-${name}`);
    await fits(`phone-${name}`);
  }
  for (const path of ["/ask", "/build", "/data/app", "/data/app/tracks", "/data/app/tracks?tab=queries", "/data/app/tracks?tab=lineage", "/events?tab=live", "/events?tab=quarantine", "/sources", "/models", "/runs", "/runs?tab=schedules", "/usage", "/settings", "/settings?tab=roles", "/settings?tab=tokens", "/settings?tab=keys"]) {
    await page.goto(url + path);
    await page.getByRole("main").waitFor();
    await page.locator(".wait").waitFor({ state: "detached" }).catch(() => {});
    await fits(path);
  }
  await page.setViewportSize({ width: 1360, height: 860 });
});
