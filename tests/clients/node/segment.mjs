import { key, load, report, story, url } from "./story.mjs";

const { Analytics } = load("@segment/analytics-node");
const analytics = new Analytics({ writeKey: key, host: url, flushAt: 7, flushInterval: 200 });
analytics.on("error", (error) => console.error("error", error));
const calls = [...story()];
for (const [method, call] of calls) analytics[method](call);
await analytics.closeAndFlush({ timeout: 60_000 });
report(calls.map(([method]) => method));
