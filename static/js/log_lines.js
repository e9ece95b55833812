/* Lines of a log as places: links to one and to a range, also of lines that are not on the page; copying them; times.
 *
 * Comes behind log.js. Markup: .logs[data-attempt][data-show] > details.log[data-step][data-began] > .log-view > .ll > a.ln, .lt[data-t];
 * .log-gap a: lines that are missing, from and to in its address; [data-for-line]: links that belong to a line; a[data-log-line]: a link to a line, with a reload where no script runs.
 */
(() => {
  "use strict";
  const logs = document.querySelector(".logs");
  if (!logs) return;
  const { key, announce } = window.portal;
  const MOST = 5000;
  const chosen = () => {
    const match = /^#(.+?-L)(\d+)(?:-L(\d+))?$/.exec(decodeURIComponent(location.hash));
    if (!match) return null;
    const one = Number(match[2]), other = Number(match[3] || one), first = Math.min(one, other);
    return { prefix: match[1], first, last: Math.min(Math.max(one, other), first + MOST), isWhole: Math.abs(one - other) <= MOST };
  };

  /* ------------------------------------------------------------------------------- lines that are not on the page yet */
  let waiting = null; /* the gap whose lines were asked for, to go to one of them */
  const linesOf = (log) => Number(log.querySelector("[data-lines]").textContent);
  const covers = (link, line) => {
    const of = new URL(link.href).searchParams;
    return !of.has("show") && line >= Number(of.get("from")) && line <= Number(of.get("to"));
  };
  const told = document.createElement("p");
  told.id = "log-missing"; /* so that nothing that is found is written into it */
  told.className = "log-found-head";
  /* Whether lines are still to come: those of the newest attempt, while it runs. */
  const isLive = (attempt) => !("past" in logs.dataset) && attempt === Number(logs.dataset.attempt)
    && ["pending", "dispatching", "running"].includes(document.querySelector(".thing-head").dataset.status);
  const missing = (line, attempt) => {
    told.textContent = isLive(attempt) ? `Line ${line} has not arrived on this page yet.` : `Line ${line} is not in this log${attempt > 1 ? ` of attempt ${attempt}` : ""}.`;
    document.getElementById("log-found").prepend(told); /* what was searched stays */
    announce(told.textContent);
  };
  document.addEventListener("htmx:after:swap", ({ detail }) => { if (detail?.ctx.target.id === "log-found") announce(document.querySelector("#log-found .log-found-head")?.textContent.trim()); });
  /* A page on which the server shows it; asked for once. */
  const elsewhere = (wanted) => location.search !== `?${wanted}` && (location.replace(`?${wanted}${location.hash}`), true);
  const bring = (prefix, line) => {
    const log = document.getElementById(prefix.slice(0, -2));
    if (!log) {
      /* Another attempt than the one that is shown: step-apply-2, or step-apply of the first. */
      const attempt = Number(/-(\d+)-L$/.exec(prefix)?.[1] || 1);
      if (attempt === Number(logs.dataset.attempt) || !elsewhere(`attempt=${attempt}`)) missing(line, attempt);
      return;
    }
    const gap = [...log.querySelectorAll(".log-gap a[href]")].find((link) => covers(link, line));
    if (gap) {
      const url = new URL(gap.href);
      url.searchParams.set("around", line);
      waiting = gap.closest(".log-gap");
      return window.htmx.ajax("GET", url.pathname + url.search, { source: gap, target: waiting, swap: "outerHTML" });
    }
    /* Filtered away, or left out to keep the page quick. */
    const { step, attempt } = log.dataset;
    if (line > linesOf(log) || !elsewhere(new URLSearchParams({ attempt, step, line }))) missing(line, Number(attempt));
  };
  document.addEventListener("htmx:after:swap", () => { if (waiting?.isConnected === false) { waiting = null; point(); } });
  document.addEventListener("htmx:error", ({ target }) => { if (waiting?.contains(target)) waiting = null; });

  /* ------------------------------------------------------------------ lines by keyboard: the log is one Tab stop, then j and k */
  let extended = 0; /* how often the address was changed by keys, which the browser tells a moment later */
  const at = (row) => {
    row.scrollIntoView({ block: "nearest" });
    row.querySelector(".ln").focus({ preventScroll: true });
  };
  const here = () => document.activeElement?.closest?.(".log-view");
  const current = () => document.activeElement?.closest(".ll");
  const firstInSight = (view) => {
    const { top, left } = view.getBoundingClientRect(), bars = [...document.querySelectorAll(".top, .thing-head")].map((bar) => bar.getBoundingClientRect().bottom);
    return document.elementFromPoint(left + 24, Math.max(top, ...bars) + 20)?.closest(".ll") || view.querySelector(".ll");
  };
  /* The one that is drawn before or behind it, whichever block it is in. */
  const beside = (row, step) => {
    const drawn = (one) => (one.matches(".ll") && one.getClientRects().length ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP);
    const walk = document.createTreeWalker(row.closest(".log-view"), NodeFilter.SHOW_ELEMENT, drawn);
    walk.currentNode = row;
    return step > 0 ? walk.nextNode() : walk.previousNode();
  };
  const go = (step) => {
    const next = current() ? beside(current(), step) : firstInSight(here());
    if (!next) return;
    document.dispatchEvent(new CustomEvent("portal:unfollow"));
    at(next);
  };
  const extend = (step) => {
    const row = current(), next = row && beside(row, step);
    if (!next) return row ? undefined : go(step);
    const [, prefix, number] = /^(.+-L)(\d+)$/.exec(row.id), place = chosen(), end = Number(number);
    const isEnd = place?.prefix === prefix && [place.first, place.last].includes(end);
    const from = isEnd ? place.first + place.last - end : end, to = Number(/\d+$/.exec(next.id)[0]);
    extended += 1;
    at(next); /* now: the next press, which may come before the address has changed, begins there */
    location.replace(`#${prefix}${from === to ? from : `${Math.min(from, to)}-L${Math.max(from, to)}`}`);
  };
  key("next-row", () => go(1), here);
  key("previous-row", () => go(-1), here);
  key("more-lines", () => extend(1), here);
  key("fewer-lines", () => extend(-1), here);

  /* -------------------------------------------------------------------------------- links: #step-apply-L12[-L18] */
  const point = () => {
    const isWalking = extended > 0;
    if (isWalking) extended -= 1;
    logs.querySelectorAll(".ll.sel").forEach((row) => row.classList.remove("sel"));
    told.remove();
    const place = chosen();
    if (!place) {
      const log = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (log?.open === false) log.open = true;
      return;
    }
    const row = document.getElementById(place.prefix + place.first);
    if (!row) return bring(place.prefix, place.first);
    document.dispatchEvent(new CustomEvent("portal:unfollow"));
    row.closest("details").open = true;
    let last = row;
    for (let line = place.first; line <= place.last; line += 1) {
      const one = document.getElementById(place.prefix + line);
      one?.classList.add("sel");
      last = one || last;
    }
    offer(last, place.last);
    /* Who moves an end of the range, or clicked a line, is there already. */
    const held = current();
    if (held && (isWalking || [place.first, place.last].some((line) => held.id === place.prefix + line))) at(held);
    else {
      row.scrollIntoView({ block: "center" });
      row.querySelector(".ln").focus({ preventScroll: true });
    }
    /* The other end of a range may lie in a gap. What a filter hides is no gap, and a range that is too long has no end here. */
    const end = Math.min(place.last, linesOf(row.closest(".log")));
    if (place.isWhole && !logs.dataset.show && !document.getElementById(place.prefix + end)) bring(place.prefix, end);
  };

  /* What can be done with the chosen lines stands in the last of them. */
  const comment = logs.querySelector("[data-log-comment]");
  const tools = document.createElement("span"), copying = document.createElement("button");
  tools.className = "log-line-tools";
  copying.type = "button";
  copying.className = "btn btn-sm";
  copying.textContent = "Copy link";
  copying.addEventListener("click", () => copy());
  tools.append(copying);
  const offer = (row, line) => {
    if (comment) {
      const { step, attempt } = row.closest(".log").dataset, url = new URL(comment.href);
      for (const [name, value] of Object.entries({ step, attempt, line })) url.searchParams.set(name, value);
      comment.href = url;
      comment.textContent = "Comment on this line";
      comment.classList.add("btn-sm");
      comment.setAttribute("aria-label", `Comment on line ${line} of ${step}`);
      tools.append(comment);
    }
    row.append(tools);
  };
  /* What to do stands also at the line that it is for. */
  const advise = () => {
    const given = document.querySelector(".outcome").querySelector("[data-for-line]"), row = given && document.getElementById(given.dataset.forLine);
    if (!row || row.querySelector(".log-runbooks")) return;
    const links = document.createElement("span");
    links.className = "log-line-tools log-runbooks";
    links.append(...[...given.children].map((one) => one.cloneNode(true)));
    row.append(links);
  };
  for (const name of ["htmx:after:swap", "portal:rows"]) document.addEventListener(name, advise);
  /* The address holds attempt and lines; what was searched or filtered is nobody else's. */
  const address = (hash, attempt) => {
    const url = new URL(location.pathname, location.href);
    url.searchParams.set("attempt", attempt); /* also the first: without one the newest is shown */
    url.hash = hash;
    return url.href;
  };
  const copy = () => {
    const row = document.activeElement.closest?.(".ll") || logs.querySelector(".ll.sel");
    if (!row) return announce("Choose a line first: j and k walk over them in the log.");
    const hash = row.classList.contains("sel") && chosen() ? location.hash : row.querySelector(".ln").hash;
    if (location.hash !== hash) location.hash = hash; /* where the clipboard cannot be had, the address bar has the link */
    const text = address(hash, Number(row.closest(".log").dataset.attempt)), failed = () => announce("The link is in the address bar; this browser lets no page copy it.");
    if (!navigator.clipboard) return failed();
    navigator.clipboard.writeText(text).then(() => { announce("The link is copied."); copying.textContent = "Copied"; setTimeout(() => { copying.textContent = "Copy link"; }, 2000); }, failed);
  };
  key("copy-line", copy);
  key("search", () => { const field = document.getElementById("log-words"); field.focus(); field.select(); });

  addEventListener("hashchange", point);
  logs.addEventListener("click", (event) => {
    const link = event.target.closest("a.ln");
    if (link && event.shiftKey) {
      const from = chosen(), to = /^#(.+?-L)(\d+)$/.exec(link.hash);
      if (from?.prefix !== to[1]) return;
      event.preventDefault();
      const [low, high] = [from.first, Number(to[2])].sort((a, b) => a - b);
      location.hash = `${to[1]}${low}-L${high}`;
    }
  });
  /* Links to lines from elsewhere on the page: of a step that is on it they need no reload. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-log-line]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!document.getElementById(decodeURIComponent(link.hash.slice(1)).replace(/-L\d+$/, ""))) return;
    event.preventDefault();
    if (location.hash === link.hash) point();
    else location.hash = link.hash;
  });

  /* ---------------------------------------------------------------------------------- times: UTC, local, elapsed, off */
  const KEY = "log-times";
  let select = null;
  const two = (number) => String(number).padStart(2, "0");
  const clock = (seconds) => `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  /* In the zone of the account; of one that tells none, in that of this browser. */
  const own = window.portal.timeZone, isTold = own !== "UTC";
  const place = isTold ? own : Intl.DateTimeFormat().resolvedOptions().timeZone;
  const wall = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: place });
  const local = (seconds) => wall.format(seconds * 1000);
  const words = {
    utc: (seconds) => clock(seconds % 86400),
    local,
    elapsed: (seconds, began) => `+${clock(Math.max(0, seconds - began))}`,
  };
  const times = (view) => {
    const way = select.value, began = Number(view.closest(".log").dataset.began) || Number(view.querySelector(".lt")?.dataset.t) || 0;
    if (view.dataset.times !== way) { view.dataset.times = way; view.querySelectorAll(".lt[data-way]").forEach((one) => one.removeAttribute("data-way")); }
    if (way === "off" || (way === "utc" && !view.querySelector(".lt:not([data-way])"))) return;
    for (const one of view.querySelectorAll(".lt:not([data-way])")) {
      one.dataset.way = way;
      one.textContent = words[way](Number(one.dataset.t), began);
    }
  };
  const zoneOf = () => logs.querySelector("[data-zone]"); /* of the times of lines; the server writes UTC, for everybody */
  const all = () => { const zone = zoneOf(); zone.hidden = !["utc", "local"].includes(select.value); zone.textContent = `Times of lines in ${select.value === "local" ? place : "UTC"}`; logs.querySelectorAll(".log-view").forEach(times); };
  const choose = () => { /* also in a log that was fetched anew */
    select = document.getElementById("log-times");
    select.parentElement.hidden = false;
    select.querySelector("[value=local]").textContent = `Times in ${place}`;
    const kept = localStorage.getItem(KEY) || (isTold ? "local" : "utc");
    if (kept === "off" || kept in words) select.value = kept;
    if (select.value !== "utc") all();
  };
  logs.addEventListener("change", ({ target }) => { if (target === select) { localStorage.setItem(KEY, select.value); all(); } });
  document.addEventListener("portal:rows", ({ detail }) => { if (select.value !== "utc") times(detail); });
  document.addEventListener("htmx:after:swap", choose);
  choose();
  advise();
  point();
})();
