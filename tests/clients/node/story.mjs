// What every driver sends: COUNT numbered events, then one of each other kind with awkward values.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Loads a package from where `setup` put them. */
export const load = createRequire(`${process.env.TESTKIT_CLIENTS}/node/package.json`);

const { properties, traits } = JSON.parse(
  readFileSync(new URL("../story.json", import.meta.url), "utf8"),
);

export const url = process.env.URL_UNDER_TEST;
export const key = process.env.WRITE_KEY;
const count = Number(process.env.COUNT);
const sdk = process.env.SDK_NAME;

/** Yields calls as [method, arguments of analytics-node's form]. */
export function* story() {
  const ids = { userId: `${sdk}-user`, anonymousId: `${sdk}-anonymous` };
  const named = (marker) => ({ ...properties, marker: `${sdk}-${marker}` });
  for (let n = 0; n < count; n += 1) {
    yield ["track", { ...ids, event: "Counted Thing", properties: { marker: `${sdk}-${n}`, n } }];
  }
  yield ["track", { ...ids, event: "Order Completed", properties: named("order") }];
  yield ["identify", { ...ids, traits: { ...traits, marker: `${sdk}-identify` } }];
  yield ["page", { ...ids, name: "Home", category: "Docs", properties: named("page") }];
  yield ["screen", { ...ids, name: "Start", properties: named("screen") }];
  yield ["group", { ...ids, groupId: `${sdk}-group`, traits: { ...traits, marker: `${sdk}-group` } }];
  yield ["alias", { userId: ids.userId, previousId: `${sdk}-before` }];
}

/** Prints which methods were called how often, and more that the test may look at. */
export function report(methods, more) {
  const sent = {};
  for (const method of methods) sent[method] = (sent[method] ?? 0) + 1;
  console.log(JSON.stringify({ sdk, sent, ...more }));
}
