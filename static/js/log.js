/* Live logs: lines come in order, none twice, none left out, and what is being read never moves.
 *
 * live.js hands over events that are newer than the page (portal:events). Rows are HTML of the server's one writer.
 * Markup: .logs[data-attempt][data-seq][data-only][data-past] > details.log[data-step][data-attempt] > .log-view > .log-block; a template for a new one.
 * .step-nav a[data-note]: why the log that it leads to is empty.
 * data-only: the attempt was asked for, and lines of others belong to another page; data-past: it is not the newest.
 * Else the whole of it is fetched anew (hx-trigger="portal:attempt") when a newer attempt begins; [data-log-newer] asks for that at once.
 * data-at of a .log: the id of the line at which a step that failed opens; the others open at their end.
 */
(() => {
  "use strict";
  const BLOCK = 500, CAP = 20000, PIECE = 2000, EVERY = 100;
  const logs = document.querySelector(".logs");
  if (!logs) return;
  /* What is asked for at each batch is found among few siblings: a search through the log would look at every row. */
  const among = (parent, name) => [...parent.children].filter((one) => one.classList.contains(name));
  const blocksOf = (view) => among(view, "log-block");
  const views = () => [...logs.querySelectorAll(".log-view")];
  const button = (name) => logs.querySelector(`[data-log-${name}]`);
  const state = new WeakMap(); /* view → { fresh: rows that came while it was not followed; stuck: it shows the end; end: where that was; top: how far it is scrolled, for all that we know } */
  let following = true, queue = [], timer = 0;

  const atEnd = (view) => view.scrollHeight - view.scrollTop - view.clientHeight < 24;
  const of = (view) => {
    if (!state.has(view)) state.set(view, { fresh: 0, stuck: true, end: Infinity, top: view.scrollTop });
    return state.get(view);
  };
  const toEnd = (view) => { view.scrollTop = view.scrollHeight; of(view).end = view.scrollTop; };
  /* Where we have put it, or below: what is drawn late may have grown since, which nobody has scrolled. */
  const isLeft = (view) => atEnd(view) || view.scrollTop >= of(view).end - 2;

  const section = ({ step, attempt, html }) => {
    const found = among(logs, "log").find((one) => one.dataset.step === step && Number(one.dataset.attempt) === attempt);
    if (found || attempt !== Number(logs.dataset.attempt)) return found;
    const made = logs.querySelector("template").content.firstElementChild.cloneNode(true);
    made.id = /id="([^"]+)-L\d+"/.exec(html)?.[1] || ""; /* links to its lines look for it */
    made.dataset.step = step;
    made.dataset.attempt = attempt;
    made.querySelector("h3").textContent = step;
    made.querySelector(".log-view").setAttribute("aria-label", `Log of step ${step}`);
    among(logs, "panel").forEach((empty) => empty.remove()); /* it said that there is no log */
    logs.append(made);
    watch(made.querySelector(".log-view"));
    return made;
  };

  const append = (view, html, lines) => {
    let block = view.lastElementChild;
    if (!block?.classList.contains("log-block") || block.childElementCount + lines > BLOCK) {
      block = document.createElement("div");
      block.className = "log-block";
      view.append(block);
    }
    block.insertAdjacentHTML("beforeend", html);
  };
  /* A block to which nothing comes any more is drawn only when it is near, and keeps its height meanwhile (log.css); one that is being read is left as it is.
   * Never by a style or a class: rules about [style*=…] and [class^=…] in the library would have each of its rows looked at again. */
  const settle = (view) => {
    const { top, bottom } = view.getBoundingClientRect();
    for (const block of blocksOf(view)) {
      if ("full" in block.dataset) continue;
      const place = block.getBoundingClientRect();
      if (block === view.lastElementChild || (place.bottom >= top && place.top <= bottom)) continue;
      block.dataset.full = "";
    }
  };

  /* Beyond the cap, which is for all steps together, a block of the longest log goes: where the end is followed the oldest one behind the first,
   * else the one that is furthest from what is in sight, and what is read does not move. A link brings its lines back. The block itself stays, empty:
   * rules about siblings (:not(template) ~ :not(template)) would have the whole log looked through after a block that is taken away. */
  const rowsOf = (view) => blocksOf(view).reduce((sum, block) => sum + block.childElementCount, 0);
  const lineOf = (row) => Number(/\d+$/.exec(row.id)[0]);
  const leaveGap = (box, from, to) => {
    const { step, attempt } = box.closest(".log").dataset, { show } = logs.dataset, link = document.createElement("a");
    const url = `${location.pathname}_log/?${new URLSearchParams({ step, attempt, from, to, ...(show && { show }) })}`;
    for (const [name, value] of Object.entries({ class: "btn btn-sm", href: url, "hx-get": url, "hx-target": "closest .log-gap", "hx-swap": "outerHTML" })) link.setAttribute(name, value);
    link.textContent = show ? "Look further" : `Show ${Math.min(to - from + 1, PIECE)} lines between`;
    box.replaceChildren(show ? `More lines may be like this, from line ${from} on. ` : `${to - from + 1} lines are not shown. `, link);
    box.className = "log-gap log-cut";
    window.htmx.process(box);
  };
  /* The gap beside a block, if it can take its lines too: what lies between was cut before, and it is not being filled. */
  const gapBeside = (block, way) => {
    let box = block[way];
    while (box?.className === "log-cut") box = box[way];
    const link = box?.classList.contains("log-gap") && box.querySelector("a:not(.htmx-request)");
    if (!link) return {};
    const of = new URL(link.href).searchParams;
    return { box, from: Number(of.get("from")), to: Number(of.get("to")) };
  };
  const cut = (block) => {
    let first = lineOf(block.firstElementChild), last = lineOf(block.lastElementChild), place = block;
    const before = gapBeside(block, "previousElementSibling"), behind = gapBeside(block, "nextElementSibling");
    block.textContent = "";
    block.className = "log-cut";
    if (behind.from === last + 1) { last = behind.to; behind.box.textContent = ""; behind.box.className = "log-cut"; }
    if (before.to === first - 1) { first = before.from; place = before.box; }
    leaveGap(place, first, last);
  };
  const cutOne = (view, stuck) => {
    const blocks = blocksOf(view).slice(1, -1), { top, bottom } = view.getBoundingClientRect();
    if (stuck) { if (blocks[0]) cut(blocks[0]); return blocks.length; }
    const far = blocks.map((block) => { const place = block.getBoundingClientRect(); return Math.max(top - place.bottom, place.top - bottom); });
    const block = blocks[far.indexOf(Math.max(...far, 0))], before = view.scrollHeight;
    if (!block) return 0;
    const isAbove = block.getBoundingClientRect().bottom < top;
    cut(block);
    if (isAbove) view.scrollTop -= before - view.scrollHeight;
    of(view).top = view.scrollTop; /* nobody has scrolled */
    return 1;
  };
  const trim = (touched = new Map()) => {
    const rows = new Map(views().map((view) => [view, rowsOf(view)]));
    const isOver = () => [...rows.values()].reduce((sum, count) => sum + count, 0) > CAP;
    if (!isOver()) return;
    const stuck = new Map([...rows.keys()].map((view) => [view, touched.has(view) ? touched.get(view).stuck : atEnd(view)]));
    while (isOver()) {
      const longest = [...rows.keys()].sort((one, other) => rows.get(other) - rows.get(one)).find((view) => cutOne(view, stuck.get(view)));
      if (!longest) return;
      rows.set(longest, rowsOf(longest));
    }
  };
  document.addEventListener("htmx:after:swap", () => setTimeout(trim)); /* lines of a gap: first it is shown what was asked for */

  const more = (view) => {
    const { fresh } = of(view);
    let [box] = among(view.parentElement, "log-more");
    if (!fresh) return box?.remove();
    if (!box) {
      box = document.createElement("div");
      box.className = "log-more";
      const jump = document.createElement("button");
      jump.type = "button";
      jump.className = "btn btn-sm";
      jump.addEventListener("click", () => follow(view));
      box.append(jump);
      view.after(box);
    }
    box.firstChild.textContent = `▼ ${fresh} new line${fresh === 1 ? "" : "s"}`;
  };

  /* Under a filter the other rows are there and not drawn: they are no news. */
  const ERROR = /<div class="ll ll-e" id="[^"]*-L(\d+)"/; /* the words of a line and the name of a step are escaped, and cannot read so */
  const MARK = { errors: new RegExp(ERROR, "g"), warnings: /<div class="ll ll-[ew]"/g }[logs.dataset.show];
  const shown = (event) => (MARK ? (event.html.match(MARK) || []).length : event.lines);

  /* One at a time for each step: a step that prints errors without end is not read out line by line. */
  const tellError = (step, line) => window.portal?.announce(`An error in step ${step}, line ${line}.`, `error ${step}`);
  const draw = () => {
    timer = 0;
    const events = queue, touched = new Map();
    queue = [];
    for (const event of events) {
      const log = section(event);
      if (!log) continue;
      const view = log.querySelector(".log-view");
      if (!touched.has(view)) touched.set(view, { stuck: following && (isLeft(view) || !log.open), lines: 0, bad: 0 });
      among(view, "log-note")[0]?.remove();
      append(view, event.html, event.lines);
      const fact = touched.get(view), count = log.querySelector("[data-lines]");
      fact.lines += shown(event);
      fact.bad ||= ERROR.exec(event.html)?.[1];
      count.textContent = event.first + event.lines - 1;
      if (count.textContent === String(event.lines)) log.open = true;
    }
    trim(touched);
    for (const [view, fact] of touched) {
      const own = of(view);
      own.stuck = fact.stuck;
      own.fresh = fact.stuck ? 0 : own.fresh + fact.lines;
      document.dispatchEvent(new CustomEvent("portal:rows", { detail: view }));
      settle(view);
      if (fact.stuck) toEnd(view);
      more(view);
      if (fact.bad) tellError(view.closest(".log").dataset.step, fact.bad);
    }
  };
  /* Why a log is empty comes with the steps; where lines have come nothing is said any more. */
  document.addEventListener("htmx:after:swap", () => {
    for (const { hash, dataset } of document.querySelectorAll(".step-nav [data-note]")) {
      const note = document.getElementById(decodeURIComponent(hash.slice(1)))?.querySelector(".log-note");
      if (note) note.textContent = dataset.note;
    }
  });

  /* A newer attempt has begun: the page goes over to it and shows what a reload would, but takes nothing away from who reads in the log of the one before.
   * What comes on the way there and is not yet in the answer is drawn behind it. */
  let newer = 0, later = [], again = 0;
  const isNewer = ({ attempt }) => !("only" in logs.dataset) && attempt > Number(logs.dataset.attempt);
  const isRead = () => document.activeElement?.closest?.(".log-view") || logs.querySelector(".ll.sel")
    || (!getSelection().isCollapsed && views().some((view) => view.contains(getSelection().anchorNode)));
  const goOver = () => {
    clearTimeout(again);
    if (!isNewer({ attempt: newer })) return;
    if (!isRead()) return logs.dispatchEvent(new CustomEvent("portal:attempt"));
    again = setTimeout(goOver, 1000);
    const show = button("newer"), text = `Attempt ${newer} has begun – Show`;
    if (show.textContent === text) return;
    show.textContent = text;
    show.hidden = false;
    window.portal?.announce(`Attempt ${newer} has begun. The log of attempt ${logs.dataset.attempt} stays while you read it.`);
  };
  const leave = () => {
    document.activeElement?.blur();
    getSelection().empty();
    logs.querySelectorAll(".ll.sel").forEach((row) => row.classList.remove("sel"));
    if (/-L\d+$/.test(location.hash)) history.replaceState(history.state, "", location.pathname + location.search); /* of a line that is gone then */
    goOver();
  };
  document.addEventListener("htmx:before:request", ({ target }) => { if (target === logs) later = []; });
  document.addEventListener("htmx:after:swap", ({ detail }) => {
    if (detail?.ctx.target !== logs) return;
    queue.push(...later.filter((event) => event.seq > Number(logs.dataset.seq)));
    later = [];
    begin();
    if (queue.length && !timer) timer = setTimeout(draw, EVERY);
  });
  document.addEventListener("portal:events", ({ detail }) => {
    for (const event of detail) {
      if (isNewer(event) && event.attempt > newer) { newer = event.attempt; goOver(); }
      if (event.kind === "log") (isNewer(event) ? later : queue).push(event);
      else if (event.kind === "step") window.portal?.announce(new DOMParser().parseFromString(event.text, "text/html").body.textContent);
    }
    if (queue.length && !timer) timer = setTimeout(draw, EVERY);
  });
  /* ------------------------------------------------------------------------------------------------------ following */
  const show = () => button("follow")?.setAttribute("aria-pressed", String(following));
  const follow = (view) => {
    following = true;
    show();
    for (const one of view ? [view] : views()) { of(one).fresh = 0; more(one); toEnd(one); }
  };
  const watch = (view) => {
    of(view);
    view.addEventListener("scroll", () => {
      const own = of(view), up = view.scrollTop < own.top - 2;
      own.top = view.scrollTop;
      if (up && !atEnd(view)) { following = false; show(); }
      else if (atEnd(view)) { of(view).fresh = 0; more(view); if (!up && view.matches(":hover, :focus-within")) { following = true; show(); } }
    }, { passive: true });
  };
  const current = () => document.activeElement?.closest?.(".log-view") || views().find((view) => view.getBoundingClientRect().bottom > 80) || null;
  const toggle = () => { if (following) { following = false; show(); } else follow(); };
  const nextError = () => {
    const all = [...logs.querySelectorAll(".ll-e")], now = all.findIndex((row) => row.classList.contains("sel"));
    const next = all[(now + 1) % all.length];
    if (!next) return window.portal?.announce("There is no error in the lines that are shown.");
    following = false;
    show();
    all.forEach((row) => row.classList.toggle("sel", row === next));
    next.closest("details").open = true;
    next.scrollIntoView({ block: "center" });
    const link = next.querySelector(".ln");
    link.focus({ preventScroll: true });
    location.replace(link.hash); /* what is copied now is its link; the way back leads past the errors */
  };

  /* ---------------------------------------------------------------------------------------------------------- start */
  const wrap = () => {
    const on = button("wrap").getAttribute("aria-pressed") !== "true";
    button("wrap").setAttribute("aria-pressed", String(on));
    views().forEach((view) => view.toggleAttribute("data-nowrap", !on));
  };
  for (const [name, act] of [["follow", toggle], ["wrap", wrap], ["error", nextError], ["newer", leave]]) button(name)?.addEventListener("click", act);
  const begin = () => {
    for (const name of ["follow", "wrap", "error"]) button(name).hidden = false;
    const isWrapped = button("wrap").getAttribute("aria-pressed") === "true";
    following = true;
    for (const view of views()) {
      view.toggleAttribute("data-nowrap", !isWrapped);
      watch(view);
      const row = document.getElementById(view.parentElement.dataset.at || "");
      if (row) {
        view.scrollTop += row.getBoundingClientRect().top - view.getBoundingClientRect().top - view.clientHeight / 3;
        following = false;
      } else if (!("past" in logs.dataset)) toEnd(view);
    }
    show();
  };
  begin();
  const { key } = window.portal;
  key("follow", toggle);
  key("next-error", nextError);
  key("newest", () => follow(current()), current);
  key("oldest", () => { const view = current(); following = false; show(); view.scrollTop = 0; }, current);
  document.addEventListener("portal:unfollow", () => { following = false; show(); });
})();
