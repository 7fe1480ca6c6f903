import { key, load, report, story, url } from "./story.mjs";

const Analytics = load("@rudderstack/rudder-sdk-node");
const analytics = new Analytics(key, { dataPlaneUrl: url, flushAt: 7, flushInterval: 200 });
// `flush()` sends one batch of many; only the calls' own callbacks tell when all are through.
const calls = [...story()];
const delivered = calls.map(
  ([method, call]) =>
    new Promise((resolve, reject) => {
      analytics[method](call, (error) => (error ? reject(error) : resolve()));
    }),
);
await Promise.all(delivered);
report(calls.map(([method]) => method));
process.exit(0);
