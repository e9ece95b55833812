/* What moves without a reload. Pages work without this file; with it their regions are fetched again when the server says so.
 *
 * Markup it reads: [data-live="/ws/…/"] one socket per address, or [data-own] where there is none; #nav-queue-count; data-seq: the last event that the page shows; data-kind: the name
 * of the notice (portal:<kind>) that makes regions refresh, or several; [data-lasts]; data-poll: where events are asked for when no socket can be had.
 * It sends to each region, [hx-trigger="portal:<kind>"], and on document: portal:change, portal:queue, portal:board, portal:deployment; on <body>: portal:counts;
 * on document: portal:events, and portal:held when a region waits for the person, who has pointer or focus in its list or writes in it; portal:apply refreshes it at once.
 */
(() => {
  "use strict";
  const FINAL = {
    4401: ["Your session has ended. What you typed is still here.", "Sign in", `/accounts/login/?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`],
    4403: ["You may no longer see this: your access has changed.", "To my queue", "/queue/"],
    4404: ["This is no longer here for you to see.", "To my queue", "/queue/"],
  };
  const POLL = 5000, SILENCE = 15000, LONGEST = 15000, HANDSHAKE = 2000;
  const feeds = new Map();
  const say = (name, detail, on = document) => on.dispatchEvent(new CustomEvent(`portal:${name}`, { detail }));

  /* Regions are fetched at most twice a second, and none while pointer or focus is in a list of it: its rows must not move away; nor one in which somebody fills in a form. */
  const due = new Map(), held = new Map(); /* kind: its timer */
  const regions = (kind) => [...document.querySelectorAll(`[hx-trigger="portal:${kind}"]`)];
  const isWritten = (form) => {
    const fields = [...form.querySelectorAll("textarea, select, input:not([type=hidden], [type=checkbox], [type=radio])")];
    return fields.length > 0 && !form.closest("details:not([open])") && (form.contains(document.activeElement) || fields.some((one) => one.value !== (one.defaultValue ?? one.value)));
  };
  const isBusy = (region) => region.querySelector("[data-rows]:hover, [data-rows]:focus-within") || [...region.querySelectorAll("form")].some(isWritten);
  const refresh = (kind) => {
    if (kind === "queue") countSoon();
    if (due.has(kind)) return;
    due.set(kind, setTimeout(() => {
      due.delete(kind);
      say(kind);
      flush(kind, regions(kind));
      if (held.has(kind)) say("held", { kind, busy: () => regions(kind).filter(isBusy) });
    }, 500));
  };
  const flush = (kind, all, asked = false) => {
    const waiting = asked || kind === "deployment" ? [] : all.filter(isBusy);
    clearTimeout(held.get(kind));
    held.delete(kind);
    for (const region of all) if (!waiting.includes(region)) say(kind, null, region);
    if (waiting.length) held.set(kind, setTimeout(() => flush(kind, waiting), 1000));
  };
  document.addEventListener("portal:apply", ({ detail }) => flush(detail, regions(detail), true));

  /* The numbers beside “Queue” and “Inbox” are nobody's list: they come at once, also into the title. */
  let counting = 0;
  const countSoon = () => { if (!counting) counting = setTimeout(() => { counting = 0; say("counts", null, document.body); }, 500); };
  let turns = Number.parseInt(document.title.slice(1), 10) || 0;
  const tell = () => {
    const box = document.getElementById("nav-queue-count"), now = box ? Number.parseInt(box.textContent, 10) : turns;
    if (now === turns) return;
    if (now > turns) window.portal.announce(`${now} ${now === 1 ? "change needs" : "changes need"} you.`);
    turns = now;
    document.title = `${now ? `(${now}) ` : ""}${document.title.replace(/^\(\d+\) /, "")}`;
  };

  const BEGAN = Date.now(), FROM_HISTORY = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  /* Freshness: is what I see still true? As old as the socket that was silent for longest; own notices do not count. */
  let over = false;
  const narrow = matchMedia("(max-width: 768px)"); /* room for few words (app.css) */
  const failed = new Map(); /* region whose refresh failed: since when it may be old */
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: window.portal.timeZone, timeZoneName: "short" });
  const time = (moment) => clock.format(new Date(moment)); /* in the zone of the page's other times */
  const paintFreshness = (state, text, why = "Connection lost, reconnecting.") => {
    const box = document.getElementById("freshness");
    if (!box) return;
    if (box.dataset.state !== state && box.dataset.state !== "off" && !over) window.portal.announce(state === "live" ? "Live again." : why);
    box.hidden = false;
    box.dataset.state = state;
    box.querySelector(".fresh-text").textContent = text;
    document.documentElement.toggleAttribute("data-stale", state === "lost"); /* what runs does not move while nobody knows that it runs */
  };
  const oldest = () => Math.min(...[...feeds.values()].filter((feed) => !feed.own).map((feed) => feed.heard));
  const showFreshness = () => {
    const last = oldest(), passed = Date.now() - last;
    if (over || !last || last === Infinity) return;
    const seq = Math.max(...[...feeds.values()].map((feed) => feed.seq));
    const old = Math.min(...[...failed].map(([region, moment]) => (region.isConnected ? moment : Infinity)));
    if (passed > SILENCE) paintFreshness("lost", `Reconnecting… state of ${time(Math.min(last, old))}`);
    else if (old < Infinity) paintFreshness("lost", `Not refreshed, trying again… state of ${time(old)}`, "A part of this page could not be refreshed. Trying again.");
    else paintFreshness("live", narrow.matches ? `Live · ${Math.floor(passed / 1000)} s` : `Live${seq ? ` · event ${seq}` : ""} · ${Math.floor(passed / 1000)} s ago`);
  };
  /* Nothing was heard yet, or (final) nothing will be heard any more on this page. */
  const stale = (text, final = false) => {
    const last = oldest();
    over ||= final;
    paintFreshness("lost", text || `Not live: state of ${time(last && last < Infinity ? last : BEGAN)}`);
  };
  document.addEventListener("visibilitychange", showFreshness); /* clocks of hidden pages are slow: look before anybody reads */
  narrow.addEventListener("change", showFreshness);
  setInterval(showFreshness, 1000);

  const stop = (feed, code) => {
    feed.ended = true;
    for (const timer of ["watch", "poller", "timer"]) clearTimeout(feed[timer]);
    feed.poller = 0;
    feed.socket?.close();
    const [text, word, url] = FINAL[code];
    const box = document.createElement("div"), body = document.createElement("div"), link = document.createElement("a");
    box.className = "alert-box alert-box--warn";
    box.setAttribute("role", "alert");
    body.className = "alert-text";
    link.href = url;
    link.textContent = word;
    body.append(text, " ", link);
    box.append(body);
    document.getElementById("messages")?.replaceChildren(box);
    stale("", true);
  };

  const end = (code) => { for (const feed of feeds.values()) if (!feed.ended) stop(feed, code); };

  /* A region that refreshes itself may find that the session has ended, or the right to see it, before the socket does: what is typed here stays, nobody is led away.
   * One that fails otherwise (swaps.js) keeps what it shows, and asks again. */
  const kindOf = (region) => /^portal:([\w-]+)/.exec(region.getAttribute?.("hx-trigger"))?.[1];
  const retries = new Map(); /* region that failed: its timer, and how often it was asked for again; it alone is, also under the pointer, for it is known to be old */
  const fail = (region, kind) => {
    const isElsewhere = region.getAttribute("hx-trigger").includes(" "); /* such as a number in the navigation: nobody's list */
    if (!isElsewhere && !failed.has(region)) failed.set(region, Date.now());
    showFreshness();
    const retry = retries.get(region) || { times: 0, timer: 0 };
    retries.set(region, retry);
    retry.timer ||= setTimeout(() => {
      retry.timer = 0;
      if (!over && region.isConnected) say(kind, null, isElsewhere ? document.body : region);
    }, Math.min(60000, 2000 * 2 ** retry.times++) * (0.5 + Math.random() / 2));
  };
  const asked = new WeakMap(); /* region: when it was last asked for */
  const succeed = (region, kind) => {
    clearTimeout(retries.get(region)?.timer);
    retries.delete(region);
    failed.delete(region);
    for (const feed of feeds.values()) if (feed.poller && !feed.poll && feed.kinds.includes(kind)) feed.heard = Math.max(feed.heard, asked.get(region)); /* no socket says how fresh it is */
    showFreshness();
  };
  document.addEventListener("htmx:before:request", ({ target }) => { if (kindOf(target)) asked.set(target, Date.now()); });
  document.addEventListener("htmx:after:request", (event) => {
    const region = event.target, kind = kindOf(region);
    if (!kind || event.defaultPrevented) return;
    if (event.detail.ctx.hx.redirect?.includes("/accounts/login/")) {
      event.preventDefault();
      end(4401);
    } else succeed(region, kind);
  });
  document.addEventListener("htmx:error", ({ target, detail }) => {
    const kind = kindOf(target), { response, text } = detail.ctx || {};
    if (!kind) return;
    if ([403, 404].includes(response?.status) && text.includes('id="refused"')) end(4403); /* it was seen: the portal's own words, not a proxy's */
    else fail(target, kind);
  });

  /* What was looked at grows old without a notice: [data-lasts], for how many seconds its words hold. Then its regions are asked for again. */
  const ends = new WeakMap(); /* element: what it said, and when that ends by this clock */
  const grow = (shown) => {
    const past = new Set(), now = Date.now();
    for (const element of over ? [] : document.querySelectorAll("[hx-trigger^='portal:'] [data-lasts]")) {
      const text = element.dataset.lasts;
      if (ends.get(element)?.text !== text) ends.set(element, { text, at: shown + 1000 * text });
      if (ends.get(element).at > now) continue;
      ends.set(element, { text, at: now + 60000 });
      past.add(kindOf(element.closest("[hx-trigger^='portal:']")));
    }
    past.forEach(refresh);
  };
  grow(FROM_HISTORY ? 0 : BEGAN);
  setInterval(() => grow(Date.now()), 2000);

  /* The server's clock against this one: an hour that is set wrong here makes nothing look longer. */
  let skew = null;
  const setClock = (now) => {
    const found = Date.parse(now) - Date.now();
    if (!Number.isNaN(found) && (skew === null || Math.abs(found - skew) > 1000)) skew = found;
  };

  const receive = (feed, frame) => {
    setClock(frame.now);
    if (frame.type === "events") {
      const fresh = frame.events.filter((event) => event.seq > feed.seq);
      if (fresh.length) {
        feed.seq = fresh[fresh.length - 1].seq;
        say("events", fresh);
        if (fresh.some((event) => event.kind !== "log")) feed.kinds.forEach(refresh);
      }
    } else if (frame.type !== "beat") refresh(frame.type);
    feed.heard = Date.now();
    showFreshness();
  };

  const catchUp = ({ kinds }) => { kinds.forEach(refresh); countSoon(); };

  const address = (feed) => {
    const url = new URL(feed.path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (feed.seq) url.searchParams.set("after", feed.seq);
    url.searchParams.set("age", Math.ceil(performance.now() / 1000) + (FROM_HISTORY ? 86400 : 0)); /* of what the page shows, or more: the server knows what rang since */
    return url;
  };
  const again = (feed) => {
    if (feed.ended) return;
    feed.failures += 1;
    if (feed.failures >= 3) poll(feed);
    const wait = Math.min(LONGEST, 500 * 2 ** feed.failures) * (0.5 + Math.random() / 2);
    feed.timer = setTimeout(() => open(feed), feed.failures === 1 ? 200 : wait);
  };
  const watch = (feed, socket) => {
    clearTimeout(feed.watch);
    feed.watch = setTimeout(() => socket.close(), SILENCE + 2000); /* silent for too long: it is dead, whatever it says */
  };
  const open = (feed) => {
    clearTimeout(feed.timer);
    if (feed.ended || feed.socket?.readyState < 2) return; /* one is open or opens: a second would never end */
    const socket = new WebSocket(address(feed)), began = performance.now();
    let heard = false;
    watch(feed, socket);
    socket.onmessage = ({ data }) => {
      watch(feed, socket);
      if (!heard && (feed.lost || performance.now() - began > HANDSHAKE)) catchUp(feed);
      heard = true;
      feed.lost = false;
      feed.failures = 0;
      clearTimeout(feed.poller);
      feed.poller = 0;
      receive(feed, JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      if (FINAL[code]) return stop(feed, code);
      if (feed.socket !== socket) return; /* another one has taken its place */
      clearTimeout(feed.watch);
      if (!heard && !feed.own && document.getElementById("freshness")?.hidden) stale(`Connecting… state of ${time(BEGAN)}`);
      feed.lost = true;
      if (!feed.leaving) again(feed);
    };
    feed.socket = socket;
  };

  const askOnce = async (feed) => {
    const signal = AbortSignal.timeout(4 * POLL);
    const answer = await fetch(`${feed.poll}?after=${feed.seq}`, { headers: { Accept: "application/json" }, redirect: "manual", signal });
    if (answer.type === "opaqueredirect") stop(feed, 4401);
    else if (answer.status === 404) stop(feed, 4404);
    if (!answer.ok) return false;
    const frame = await answer.json();
    if (feed.poller && !feed.ended) receive(feed, frame);
    return frame.more === true;
  };

  /* No socket: ask every five seconds until one opens. */
  const poll = (feed) => {
    if (feed.poller || feed.ended) return;
    const chain = feed.chain = {}; /* one after the other: a late answer begins no second row of questions */
    const ask = async () => {
      let more = false; /* the answer was full: what is left needs no pause */
      try {
        if (feed.poll) more = await askOnce(feed);
        else catchUp(feed);
      } catch { /* the next time may succeed; meanwhile the page says how old it is */ }
      if (feed.poller && feed.chain === chain && !feed.ended) feed.poller = setTimeout(ask, more ? 0 : POLL);
    };
    feed.poller = setTimeout(ask, 0);
  };

  /* One socket for each thing that the page shows live; each carries the person's own notices. A page that shows nothing
   * live has one for these alone (data-own), and does not call itself live. */
  const start = () => {
    const live = document.querySelectorAll("[data-live]");
    for (const element of live.length ? live : document.querySelectorAll("[data-own]")) {
      const path = element.dataset.live || element.dataset.own;
      if (feeds.has(path)) continue;
      const kinds = (element.dataset.kind || { changes: "change", queue: "queue" }[path.split("/")[2]] || "board").split(" ");
      const feed = { path, kinds, poll: element.dataset.poll || "", seq: Number(element.dataset.seq) || 0, failures: 0, heard: 0, own: "own" in element.dataset };
      feeds.set(path, feed);
      open(feed);
    }
  };
  addEventListener("pagehide", () => { for (const feed of feeds.values()) { feed.leaving = true; clearTimeout(feed.timer); feed.socket?.close(); } });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) for (const feed of feeds.values()) { feed.leaving = false; if (!feed.ended) open(feed); }
  });
  addEventListener("online", () => { for (const feed of feeds.values()) if (feed.lost && !feed.ended) { clearTimeout(feed.timer); feed.failures = 0; open(feed); } });

  /* Clocks of what runs: [data-since] counts up from a moment, while what is shown is known to be so. */
  const two = (number) => String(number).padStart(2, "0");
  setInterval(() => {
    if (document.getElementById("freshness")?.dataset.state !== "live" || document.documentElement.hasAttribute("data-stale")) return;
    for (const element of document.querySelectorAll("[data-since]")) {
      const passed = Math.max(0, Math.floor((Date.now() + (skew || 0) - Date.parse(element.dataset.since)) / 1000));
      const hours = Math.floor(passed / 3600), rest = `${two(Math.floor(passed / 60) % 60)}:${two(passed % 60)}`;
      element.textContent = hours ? `${hours}:${rest}` : rest;
    }
  }, 1000);

  /* What has the focus stays in sight, whatever grows above it: browsers hold a page still only where it is scrolled already. */
  let kept = null;
  const barsEnd = () => Math.max(0, ...[...document.querySelectorAll(".top, .thing-head")].filter((bar) => getComputedStyle(bar).position !== "static").map((bar) => bar.getBoundingClientRect().bottom));
  const isInSight = (element) => { const { top, bottom } = element.getBoundingClientRect(); return bottom > barsEnd() && top < innerHeight - 8; };
  const isFocused = (element) => element === document.activeElement && element !== document.body;
  document.addEventListener("htmx:before:swap", () => {
    const focused = document.activeElement;
    if (isFocused(focused) && isInSight(focused)) kept = focused;
  });
  const keep = () => requestAnimationFrame(() => {
    if (kept && isFocused(kept) && !isInSight(kept)) {
      kept.scrollIntoView({ block: "nearest" });
      const covered = barsEnd() + 8 - kept.getBoundingClientRect().top; /* a head that is taller than the room kept for it */
      if (covered > 0) scrollBy(0, -covered);
    }
    kept = null; /* where somebody scrolls after it is their own affair */
  });

  start();
  document.addEventListener("htmx:after:swap", () => { keep(); start(); tell(); });
})();
