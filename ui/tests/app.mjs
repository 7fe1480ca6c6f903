// The first day: signing in, asking, saving, sharing, dashboards, data, events, users; and what other pages,
// planted sessions and viewers try. Each part goes on where the one before it ended.
import { browser, report, step, timings, url } from "./harness.mjs";

for (const part of ["asking", "keeping", "looking", "people", "strangers"]) await import(`./app/${part}.mjs`);

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
