/* Live logs: lines come in order, none twice, none left out, and what is being read never moves.
 *
 * live.js hands over events that are newer than the page (portal:events). Rows are HTML of the server's one writer.
 * Markup: .logs[data-attempt] > details.log[data-step][data-attempt] > .log-view > .log-block; a template for a new one.
 * data-at of a .log: the id of the line at which a step that failed opens; the others open at their end.
 */
(() => {
  "use strict";
  const BLOCK = 500, CAP = 20000, EVERY = 100;
  const logs = document.querySelector(".logs");
  if (!logs) return;
  /* What is asked for at each batch is found among few siblings: a search through the log would look at every row. */
  const among = (parent, name) => [...parent.children].filter((one) => one.classList.contains(name));
  const blocksOf = (view) => among(view, "log-block");
  const views = () => [...logs.querySelectorAll(".log-view")];
  const button = (name) => logs.querySelector(`[data-log-${name}]`);
  const state = new WeakMap(); /* view → { fresh: rows that came while it was not followed; stuck: it shows the end; end: where that was } */
  let following = true, queue = [], timer = 0;

  const atEnd = (view) => view.scrollHeight - view.scrollTop - view.clientHeight < 24;
  const of = (view) => {
    if (!state.has(view)) state.set(view, { fresh: 0, stuck: true, end: Infinity });
    return state.get(view);
  };
  const toEnd = (view) => { view.scrollTop = view.scrollHeight; of(view).end = view.scrollTop; };
  /* Where we have put it, or below: what is drawn late may have grown since, which nobody has scrolled. */
  const isLeft = (view) => atEnd(view) || view.scrollTop >= of(view).end - 2;

  const section = ({ step, attempt, html }) => {
    const found = among(logs, "log").find((one) => one.dataset.step === step && Number(one.dataset.attempt) === attempt);
    if (found || attempt < Number(logs.dataset.attempt)) return found;
    const made = logs.querySelector("template").content.firstElementChild.cloneNode(true);
    made.id = /id="([^"]+)-L\d+"/.exec(html)?.[1] || ""; /* links to its lines look for it */
    made.dataset.step = step;
    made.dataset.attempt = attempt;
    made.querySelector("h3").textContent = attempt > 1 ? `${step}, attempt ${attempt}` : step;
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

  /* Beyond the cap the oldest block that can go without moving what is read goes: behind the first one while the end is
   * followed, else the first one below what is in sight. A note says where its lines are. The block itself stays, empty: rules about
   * siblings (:not(template) ~ :not(template)) would have the whole log looked through after a block that is taken away. */
  const trim = (view) => {
    const { stuck } = of(view), { bottom } = view.getBoundingClientRect();
    let count = blocksOf(view).reduce((sum, block) => sum + block.childElementCount, 0);
    while (count > CAP) {
      const oldest = blocksOf(view).slice(1, -1).find((block) => stuck || block.getBoundingClientRect().top > bottom);
      if (!oldest) return;
      count -= oldest.childElementCount;
      const isMore = oldest.previousElementSibling.classList.contains("log-cut");
      oldest.textContent = isMore ? "" : "Lines are left out here to keep this page quick. Reload it, or open the raw log, to see them.";
      oldest.className = isMore ? "log-cut" : "log-gap log-cut";
    }
  };

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
  const MARK = { errors: /ll-e/g, warnings: /ll-[ew]/g }[logs.dataset.show];
  const shown = (event) => (MARK ? (event.html.match(MARK) || []).length : event.lines);

  const draw = () => {
    timer = 0;
    const events = queue, touched = new Map();
    queue = [];
    for (const event of events) {
      const log = section(event);
      if (!log) continue;
      const view = log.querySelector(".log-view");
      if (!touched.has(view)) touched.set(view, { stuck: following && (isLeft(view) || !log.open), lines: 0, bad: false });
      among(view, "log-note")[0]?.remove();
      append(view, event.html, event.lines);
      const fact = touched.get(view), count = log.querySelector("[data-lines]");
      fact.lines += shown(event);
      fact.bad ||= event.html.includes("ll-e");
      count.textContent = event.first + event.lines - 1;
      if (count.textContent === String(event.lines)) log.open = true;
    }
    for (const [view, fact] of touched) {
      const own = of(view);
      own.stuck = fact.stuck;
      own.fresh = fact.stuck ? 0 : own.fresh + fact.lines;
      trim(view);
      document.dispatchEvent(new CustomEvent("portal:rows", { detail: view }));
      settle(view);
      if (fact.stuck) toEnd(view);
      more(view);
      if (fact.bad) window.portal?.announce(`An error in step ${view.closest(".log").dataset.step}.`);
    }
  };
  document.addEventListener("portal:events", ({ detail }) => {
    for (const event of detail) {
      if (event.kind === "log") queue.push(event);
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
    let top = view.scrollTop;
    view.addEventListener("scroll", () => {
      const up = view.scrollTop < top - 2;
      top = view.scrollTop;
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
    next.querySelector(".ln").focus({ preventScroll: true });
  };

  /* ---------------------------------------------------------------------------------------------------------- start */
  const wrap = () => {
    const on = button("wrap").getAttribute("aria-pressed") !== "true";
    button("wrap").setAttribute("aria-pressed", String(on));
    views().forEach((view) => view.toggleAttribute("data-nowrap", !on));
  };
  for (const [name, act] of [["follow", toggle], ["wrap", wrap], ["error", nextError]]) {
    if (!button(name)) continue;
    button(name).hidden = false;
    button(name).addEventListener("click", act);
  }
  views().forEach(watch);
  for (const view of views()) {
    const row = document.getElementById(view.parentElement.dataset.at || "");
    if (row) view.scrollTop += row.getBoundingClientRect().top - view.getBoundingClientRect().top - view.clientHeight / 3;
    else if (logs.dataset.live) toEnd(view);
  }
  const { key } = window.portal;
  key("follow", toggle);
  key("next-error", nextError);
  key("newest", () => follow(current()), current);
  key("oldest", () => { const view = current(); following = false; show(); view.scrollTop = 0; }, current);
  document.addEventListener("portal:unfollow", () => { following = false; show(); });
})();
