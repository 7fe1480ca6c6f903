/* Weir: sends what happens on a page to the host this file came from.
 * Knows the calls of analytics.js (track, identify, page, screen, group, alias, reset, ready), and takes
 * over calls a stub has queued in window.analytics or window.weir. */
(function () {
  "use strict";
  var config = __WEIR_CONFIG__;
  var tag = document.currentScript;
  function attribute(name) { return tag && tag.getAttribute(name); }
  var writeKey = attribute("data-key") || config.writeKey;
  var host = attribute("data-host") || config.host;
  var queued = [window.analytics, window.weir].filter(function (q) { return q && !q.weir && q.length; });
  if (window.weir && window.weir.weir) return;
  if (!writeKey) writeKey = queued.reduce(function (k, q) { return k || q._writeKey; }, null);
  var VERSION = "1.0.0", LIMIT = 450 * 1024, BATCH = 20, KEEP = 1000, WAIT = 500;

  var memory = {};
  var store = {
    get: function (k) {
      try { return JSON.parse(localStorage.getItem("weir_" + k)); } catch (e) { return memory[k] || null; }
    },
    set: function (k, v) {
      memory[k] = v;
      try {
        if (v === null) localStorage.removeItem("weir_" + k);
        else localStorage.setItem("weir_" + k, JSON.stringify(v));
      } catch (e) { /* private mode: the page's memory has to do */ }
    }
  };
  function uuid() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, function () {
      return Math.floor(Math.random() * 16).toString(16);
    });
  }
  function anonymousId(given) {
    var id = given || store.get("anonymous_id");
    if (!id) id = uuid();
    if (id !== store.get("anonymous_id")) store.set("anonymous_id", id);
    return id;
  }
  function merge(a, b) {
    var out = {}, k;
    for (k in a) out[k] = a[k];
    for (k in b) out[k] = b[k];
    return out;
  }
  function pageContext() {
    return {
      path: location.pathname, referrer: document.referrer, search: location.search,
      title: document.title, url: location.href
    };
  }
  function campaign() {
    var found = {}, any = false;
    location.search.replace(/[?&]utm_([^=&]+)=([^&]*)/g, function (_, k, v) {
      any = true;
      try { found[k === "campaign" ? "name" : k] = decodeURIComponent(v.replace(/\+/g, " ")); } catch (e) { found[k] = v; }
    });
    return any ? found : undefined;
  }
  function context() {
    var zone;
    try { zone = Intl.DateTimeFormat().resolvedOptions().timeZone; } catch (e) { /* old browser */ }
    return {
      library: { name: "weir.js", version: VERSION }, page: pageContext(), userAgent: navigator.userAgent,
      locale: navigator.language, timezone: zone, campaign: campaign(),
      screen: { width: screen.width, height: screen.height, density: window.devicePixelRatio }
    };
  }

  /* What is not acknowledged survives the page, and carries its messageId, so sending it twice is safe. */
  var queue = store.get("queue") || [], timer = null, busy = false, failures = 0;
  function keep() { store.set("queue", queue.length ? queue.slice(-KEEP) : null); }
  function enqueue(event) {
    queue.push(event);
    keep();
    if (queue.length >= BATCH) flush();
    else if (!timer && !busy) timer = setTimeout(flush, WAIT);
  }
  function take() {
    var list = [], size = 0;
    for (var i = 0; i < queue.length && list.length < 100; i++) {
      size += JSON.stringify(queue[i]).length * 2;
      if (list.length && size > LIMIT) break;
      list.push(queue[i]);
    }
    return list;
  }
  function body(list) {
    return JSON.stringify({ writeKey: writeKey, batch: list, sentAt: new Date().toISOString() });
  }
  function done(list) {
    var sent = {};
    list.forEach(function (e) { sent[e.messageId] = true; });
    queue = queue.filter(function (e) { return !sent[e.messageId]; });
    keep();
  }
  function again(seconds) {
    failures++;
    var wait = seconds ? seconds * 1000 : Math.min(300000, 1000 * Math.pow(2, Math.min(failures, 9)));
    timer = setTimeout(flush, wait * (0.75 + Math.random() / 2));
  }
  function flush() {
    clearTimeout(timer);
    timer = null;
    if (busy || !queue.length || !writeKey) return;
    busy = true;
    var list = take();
    fetch(host + "/v1/b", { method: "POST", headers: { "Content-Type": "text/plain" }, body: body(list) })
      .then(function (reply) {
        busy = false;
        if (reply.status === 429 || reply.status >= 500) {
          return again(parseInt(reply.headers.get("Retry-After"), 10));
        }
        /* Other refusals do not get better by being repeated. */
        failures = 0;
        done(list);
        if (queue.length) flush();
      }, function () { busy = false; again(); });
  }
  function leave() {
    if (!queue.length || !writeKey || busy) return;
    var list = take(), text = body(list);
    if (text.length > 60000 || !navigator.sendBeacon) return;
    if (navigator.sendBeacon(host + "/v1/b", new Blob([text], { type: "text/plain" }))) {
      /* Handed to the browser, not acknowledged: kept until a reply says so. Repeats are harmless. */
      keep();
    }
  }
  addEventListener("pagehide", leave);
  addEventListener("visibilitychange", function () { if (document.visibilityState === "hidden") leave(); });
  addEventListener("online", flush);

  function event(type, fields, options) {
    options = options || {};
    var e = merge({
      type: type, messageId: "weir-" + uuid(), timestamp: options.timestamp || new Date().toISOString(),
      anonymousId: anonymousId(options.anonymousId), userId: store.get("user_id"),
      context: merge(context(), options.context), integrations: options.integrations || {}
    }, fields);
    enqueue(e);
    return Promise.resolve({ event: e });
  }
  function plain(x) { return x && typeof x === "object" && !Array.isArray(x); }
  function callback(args) {
    for (var i = args.length - 1; i >= 0; i--) if (typeof args[i] === "function") return args.splice(i, 1)[0];
  }
  function method(run) {
    return function () {
      var args = [].slice.call(arguments), after = callback(args), result = run.apply(null, args);
      if (after) setTimeout(after, 0);
      return result;
    };
  }
  function paged(type) {
    return method(function (category, name, properties, options) {
      if (plain(category)) { options = name; properties = category; category = name = undefined; }
      else if (plain(name) || name === undefined) { options = properties; properties = name; name = category; category = undefined; }
      var own = type === "page" ? pageContext() : {};
      if (name) own.name = name;
      if (category) own.category = category;
      return event(type, { name: name, category: category, properties: merge(own, properties) }, options);
    });
  }
  var api = {
    weir: true,
    track: method(function (name, properties, options) {
      return event("track", { event: name, properties: properties || {} }, options);
    }),
    identify: method(function (id, traits, options) {
      if (plain(id)) { options = traits; traits = id; id = undefined; }
      if (id !== undefined && id !== null) {
        if (store.get("user_id") && store.get("user_id") !== String(id)) store.set("traits", null);
        store.set("user_id", String(id));
      }
      var all = merge(store.get("traits"), traits);
      store.set("traits", all);
      return event("identify", { userId: store.get("user_id"), traits: all }, options);
    }),
    page: paged("page"),
    screen: paged("screen"),
    group: method(function (id, traits, options) {
      if (plain(id)) { options = traits; traits = id; id = store.get("group_id"); }
      store.set("group_id", id);
      return event("group", { groupId: id, traits: traits || {} }, options);
    }),
    alias: method(function (id, previous, options) {
      if (plain(previous)) { options = previous; previous = undefined; }
      return event("alias", { userId: id, previousId: previous || store.get("user_id") || anonymousId() }, options);
    }),
    reset: method(function () {
      ["user_id", "anonymous_id", "traits", "group_id"].forEach(function (k) { store.set(k, null); });
    }),
    ready: method(function () { return Promise.resolve(); }),
    setAnonymousId: method(anonymousId),
    user: function () {
      return {
        id: function () { return store.get("user_id"); }, anonymousId: function () { return anonymousId(); },
        traits: function () { return store.get("traits") || {}; }
      };
    },
    load: method(function (key, options) {
      writeKey = key || writeKey;
      if (options && options.host) host = options.host;
      flush();
    }),
    flush: flush
  };
  window.weir = window.analytics = api;
  queued.forEach(function (calls) {
    [].slice.call(calls).forEach(function (call) {
      call = [].slice.call(call);
      var name = call.shift();
      if (typeof api[name] === "function") api[name].apply(null, call);
    });
  });
  if (queue.length) timer = setTimeout(flush, WAIT);
})();
