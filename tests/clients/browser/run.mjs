// Opens PAGE in headless Chromium, whose SDK then sends what the server-side drivers send. The page
// comes from another origin than Weir, and may talk to these two alone.
import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { key, load, report, story, url } from "../node/story.mjs";

const { chromium } = load("playwright-core");
const here = fileURLToPath(new URL(".", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8" };

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://page").pathname);
  const modules = "/node_modules/";
  const file = path.startsWith(modules)
    ? join(process.env.TESTKIT_CLIENTS, "node", path)
    : join(here, path);
  if (!existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const profile = mkdtempSync(join(tmpdir(), "weir-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const strangers = [];
let sent;
try {
  await context.route(
    (address) => ![origin, new URL(url).origin].includes(address.origin),
    (route) => {
      strangers.push(route.request().url());
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.on("console", (message) => console.error("page:", message.text()));
  page.on("pageerror", (error) => console.error("page error:", error));
  // A page that closes too early would lose what it has not sent; its SDK sends a request a call.
  let answered = 0;
  let news = () => {};
  page.on("response", (response) => {
    if (response.request().method() === "POST" && response.ok()) answered += 1;
    news();
  });
  await page.goto(`${origin}/${process.env.PAGE}`);
  sent = await page.evaluate((given) => window.send(given), { url, key, calls: [...story()] });
  while (answered < sent.length) await new Promise((resolve) => (news = resolve));
} finally {
  await context.close();
  server.close();
  rmSync(profile, { recursive: true, force: true });
}
report(sent, { strangers });
