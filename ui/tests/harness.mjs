// What drives the web application in headless Chromium, as people do: by roles and names. Each script
// prints what it found as JSON: failures, what axe says of each page, timings. Screenshots go to ARTEFACTS.
//
//   URL, SETUP_LINK, WRITE_KEY, ARTEFACTS, CHROMIUM
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const { URL: url, SETUP_LINK: setupLink, WRITE_KEY: writeKey } = process.env;
export const artefacts = process.env.ARTEFACTS ?? join(import.meta.dirname, "..", "artefacts");
mkdirSync(artefacts, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const failures = [];
export const timings = {};
/** What one part made, and those after it look at. */
export const made = { question: "", result: "", dashboard: "" };
export const passwords = { owner: "a long sentence for the owner", vera: "a long sentence for the viewer" };
export const EVIL = `<img src=x onerror="window.__xss=1">"'><script>window.__xss=1</script>`;

export function expect(what, good, found) {
  if (!good) failures.push(`${what}${found === undefined ? "" : `: ${JSON.stringify(found)}`}`);
}

const profile = mkdtempSync(join(tmpdir(), "weir-app-"));
export const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  acceptDownloads: true,
  viewport: { width: 1360, height: 860 },
  bypassCSP: false,
  locale: "en-GB",
  timezoneId: "UTC",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(Number(process.env.PATIENCE_MS ?? 15_000));
export const page = await browser.newPage();
export const strangers = [];
page.on("request", (request) => {
  const { origin, protocol } = new URL(request.url());
  if (!["blob:", "data:"].includes(protocol) && origin !== new URL(url).origin && !origin.includes(":" + attacker.address()?.port)) strangers.push(request.url());
});
page.on("pageerror", (error) => failures.push(`page error: ${error.message}`));
page.on("console", (message) => {
  // Refused requests are part of what is tried here.
  if (message.type() === "error" && !/Failed to load resource/.test(message.text())) failures.push(`console: ${message.text()}`);
});
page.on("dialog", (dialog) => {
  if (dialog.type() !== "beforeunload") failures.push(`a dialog opened: ${dialog.message()}`);
  void dialog.accept();
});

// A page of somebody else, on another origin.
export const attacker = createServer((request, response) => {
  response.setHeader("content-type", "text/html");
  response.end(`<!doctype html><body><form id=f method=post action="${url}/api/v1/session" enctype="text/plain"><input name='{"user":"owner","password":"x","a":"' value='"}'></form>
    <iframe id=frame src="${url}/ask"></iframe></body>`);
});
await new Promise((resolve) => attacker.listen(0, "127.0.0.1", resolve));

/** axe needs its script on the page, which the policy of the page forbids: it is run as the browser's own. */
export async function look(name) {
  await page.screenshot({ path: join(artefacts, `${name}.png`) });
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"] }),
  );
  for (const violation of found.violations) {
    const nodes = violation.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} (${node.any.map((one) => one.message).join("; ").slice(0, 200)})`);
    failures.push(`axe, ${name}: ${violation.id}: ${nodes.join(" | ")}`);
  }
}

/** Whatever is read fits a phone: neither the page nor a list is wider. Code, drawings and rows of answers may scroll in themselves. */
export async function fits(name) {
  const wide = await page.evaluate(() => {
    const beyond = (element, most) => (element.scrollWidth > most ? [`${element.tagName.toLowerCase()}.${element.className} ${element.scrollWidth} > ${most}`] : []);
    return [...beyond(document.documentElement, innerWidth), ...[...document.querySelectorAll("main, main .scroll")].flatMap((element) => beyond(element, element.clientWidth))];
  });
  expect(`${name} fits a phone`, wide.length === 0, wide);
}

export const button = (name) => page.getByRole("button", { name, exact: true });
export const heading = (name) => page.getByRole("heading", { name, exact: true });

/** Returns where the page is, as it knows itself: the browser's word for it comes later. */
export const address = () => page.evaluate(() => location.href);

let stopped = false;

/** Does one thing after another; what rests on a step that failed is not tried. */
export async function step(name, work) {
  if (stopped) return;
  const start = Date.now();
  try {
    await work();
  } catch (error) {
    failures.push(`${name}: ${String(error.message).split("\n").slice(0, 6).join(" / ")}`);
    stopped = true;
    await page.screenshot({ path: join(artefacts, `failed-${name.replace(/\W+/g, "-")}.png`) }).catch(() => {});
  }
  timings[name] = Date.now() - start;
}

/** Sends a request as the page would, or as one that forgot something. */
export const request = (method, path, body, headers = {}) =>
  page.evaluate(
    async ([method, path, body, headers]) => {
      const session = await (await fetch("/api/v1/session")).json();
      const sent = { "content-type": "application/json", "weir-csrf": session.user?.csrf ?? "", ...headers };
      for (const name of Object.keys(sent)) if (sent[name] === null) delete sent[name];
      const response = await fetch(path, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body) });
      const text = await response.text();
      let json = null;
      try {
        json = JSON.parse(text);
      } catch {}
      return { status: response.status, json, text: text.slice(0, 300) };
    },
    [method, path, body, headers],
  );

export async function signIn(user) {
  await page.getByLabel("Name").fill(user);
  await page.getByLabel("Password").fill(passwords[user]);
  await button("Sign in").click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}

export async function signOut(user) {
  await button(user).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await heading("Sign in to Weir").waitFor();
}

export async function write(sql) {
  const editor = page.getByRole("textbox", { name: "SQL" });
  await page.keyboard.press("Escape");
  await editor.focus();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(sql);
}

/** Makes the first owner by the link that the server printed. */
export async function setUp() {
  await page.goto(setupLink);
  await page.getByLabel("Password", { exact: true }).fill(passwords.owner);
  await page.getByLabel("Password, once more").fill(passwords.owner);
  await button("Begin").click();
  await heading("Hello, owner").waitFor();
}

/** Sends one event to a source; refused ones are kept, too. */
export const sendEvent = (body) =>
  fetch(`${url}/v1/track`, { method: "POST", body: JSON.stringify(body), headers: { authorization: `Basic ${btoa(`${writeKey}:`)}`, "content-type": "application/json" } });

/** Ends the browser and tells what was found. */
export async function report() {
  await browser.close();
  attacker.close();
  rmSync(profile, { recursive: true, force: true });
  console.log(JSON.stringify({ failures, timings }));
}
