// Diff pages: files and rows load when they come near, keys move between changes. Everything works as links without it.
// The page marks its diff with <div data-rows-url="/changes/7/_diff/{id}/?view=split">; the answer to
// …&start=N is the body of a file (start 0) or the next <tbody>s. Links that keep their href: [data-diff-view].
(() => {
  "use strict";
  const root = () => document.querySelector("[data-rows-url]"); // not [data-diff]: <html> carries the palette under that name
  const NEAR = "1200px";
  const ROWS = 400; // of one window, as the server counts them
  const MAX_AUTOMATIC = 5; // windows of one file that load by themselves; more is a person's wish
  const automatic = new WeakMap();
  const pending = new WeakMap();
  const policy = window.trustedTypes?.createPolicy?.("portal-diff", { createHTML: (html) => html });

  function address(id, asked) {
    const base = root()?.dataset.rowsUrl;
    if (!base) return null;
    const url = new URL(base.replace("{id}", id), location.href);
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    return url;
  }

  function parsed(html) {
    const template = document.createElement("template");
    template.innerHTML = policy ? policy.createHTML(html) : html; // written by apps/diffs/html.py, everything escaped
    return template.content;
  }

  function fetched(url) {
    return fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin" }).then((response) => {
      if (!response.ok || response.redirected) throw new Error(String(response.status));
      return response.text();
    });
  }

  function once(element, load) {
    if (!pending.has(element)) {
      element.setAttribute("aria-busy", "true");
      pending.set(element, load().catch(() => failed(element)).finally(() => {
        element.removeAttribute("aria-busy");
        pending.delete(element);
      }));
    }
    return pending.get(element);
  }

  function failed(element) {
    const link = element.querySelector("a[href*='file=']");
    if (link) link.textContent = "This part did not load. Open it as a page";
    element.dataset.state = "failed";
  }

  /* Others (moved blocks, threads, marks) add to rows that came: they listen to diff:rows, whose target is the file. */
  function arrived(section) {
    tidy(section);
    watch(section);
    section.dispatchEvent(new CustomEvent("diff:rows", { bubbles: true }));
  }

  function fill(section, content) {
    const closed = Boolean(content.querySelector("p.why"));
    section.dataset.state = closed ? "closed" : "open";
    section.querySelector(".fb").replaceChildren(content);
    if (!closed) arrived(section);
  }

  /* By itself (auto) a file that turns out to be closed answers with its reason; asked for, it opens. */
  function loadFile(section, auto = false) {
    const url = ["load", "closed", "failed"].includes(section.dataset.state) && address(section.dataset.file, auto ? { start: 0, auto: 1 } : { start: 0 });
    if (!url) return Promise.resolve();
    return once(section, () => fetched(url).then((html) => fill(section, parsed(html))));
  }

  /* Rows that stand further down were loaded before (a line was gone to): the window in between ends where they begin. */
  const loadedAfter = (more) => (more.nextElementSibling?.dataset.start ? Number(more.nextElementSibling.dataset.start) : Infinity);

  function loadRows(more) {
    const start = Number(more.dataset.next);
    const url = address(more.dataset.file, { start, rows: Math.min(ROWS, loadedAfter(more) - start) });
    if (!url) return Promise.resolve();
    const section = more.closest(".df");
    return once(more, () => fetched(url).then((html) => {
      more.replaceWith(parsed(html));
      arrived(section);
    }));
  }

  function tidy(section) {
    for (const more of section.querySelectorAll("tbody.mr")) if (loadedAfter(more) <= Number(more.dataset.next)) more.remove();
  }

  /* The window in which a line stands, wherever in the file; what lies between stays a link. */
  async function loadLine(section, name) {
    await loadFile(section);
    if (document.getElementById(`${section.id}-${name}`) || !section.querySelector("tbody.mr")) return;
    const content = parsed(await fetched(address(section.dataset.file, { line: name })));
    const first = [...content.children].find((part) => part.matches("tbody[data-start]")); /* the first window comes as a table */
    if (!first) return;
    const start = Number(first.dataset.start);
    const gap = [...section.querySelectorAll("tbody.mr")].filter((more) => Number(more.dataset.next) <= start).pop();
    if (!gap) return;
    gap.after(content);
    arrived(section);
  }

  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      if (target.matches(".df")) loadFile(target, true);
      else {
        const section = target.closest(".df");
        const count = (automatic.get(section) || 0) + 1;
        automatic.set(section, count);
        if (count <= MAX_AUTOMATIC) loadRows(target);
      }
    }
  }, { rootMargin: NEAR });

  const LINE = 20, GAP = 28; // heights of a row, unless the density says less, and of the row between two blocks, in pixels

  /* Pixels for each changed line in the files that are there already; those of one change are much alike. */
  function heightOfLine() {
    const table = document.querySelector(".df .dt"), line = (table && parseFloat(getComputedStyle(table).lineHeight)) || LINE;
    let height = 0, lines = 0;
    for (const section of [...document.querySelectorAll(".df[data-state=open][data-lines]")].slice(0, 10)) {
      if (section.querySelector("tbody.mr")) continue;
      const gaps = section.querySelectorAll(".dt tr.h").length;
      height += gaps * GAP + (section.querySelectorAll(".dt tr").length - gaps - 1) * line + 1; // a hidden row, a border
      lines += Number(section.dataset.lines);
    }
    return lines && height > 0 ? height / lines : 3 * line;
  }

  function watch(scope) {
    const sections = scope.querySelectorAll(".df[data-state=load]");
    const each = sections.length && heightOfLine();
    for (const section of sections) {
      // Room is kept for what will come, so nothing jumps; set through CSSOM because style attributes are refused.
      const lines = Number(section.dataset.lines || root()?.dataset.average || 4);
      section.style.setProperty("--df-room", `${Math.min(Math.round(lines * each), ROWS * LINE)}px`);
      observer.observe(section);
    }
    for (const more of scope.querySelectorAll("tbody.mr")) if (loadedAfter(more) === Infinity) observer.observe(more);
  }

  // -------------------------------------------------------------------------------------------------- moving about
  const files = () => [...document.querySelectorAll("[data-rows-url] .df")];
  let here = null; // the row or heading that was last moved to

  function go(target, focusable) {
    document.querySelectorAll(".dt tr.at").forEach((row) => row.classList.remove("at"));
    here = target;
    if (target.matches("tr")) target.classList.add("at");
    target.scrollIntoView({ block: "center" });
    (focusable || target.querySelector("a") || target).focus({ preventScroll: true });
  }

  const isChange = (row) => row.matches("tr.a, tr.d, tr.x");
  function blocks(section) {
    const lines = [...section.querySelectorAll(".dt tr")].filter((row) => !row.matches(".tt")); // threads stand between lines, not between blocks
    return lines.filter((row, index) => isChange(row) && !(index && isChange(lines[index - 1])));
  }

  const after = (element) => !here || Boolean(here.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING);
  const before = (element) => Boolean(here && here.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING);

  async function moveBlock(step) {
    const list = step > 0 ? files() : files().reverse();
    const beyond = step > 0 ? after : before;
    for (const section of list) {
      if (!(section.contains(here) || beyond(section))) continue;
      if (section.dataset.state === "load") await loadFile(section, true);
      let found = blocks(section).filter(beyond);
      const more = step > 0 && !found.length && section.querySelector("tbody.mr");
      if (more) {
        await loadRows(more);
        found = blocks(section).filter(beyond);
      }
      if (found.length) return go(step > 0 ? found[0] : found[found.length - 1]);
      if (section.dataset.state === "closed" && !section.contains(here)) return goFile(section); // named, never skipped
    }
    if (step > 0 && await moreFiles()) return moveBlock(step);
  }

  /* The next page of files, if there is one; htmx loads it. */
  function moreFiles() {
    const link = document.querySelector("#more-files a");
    if (!link) return Promise.resolve(false);
    return new Promise((done) => {
      document.addEventListener("htmx:after:swap", () => setTimeout(() => done(true)), { once: true });
      document.addEventListener("htmx:error", () => done(false), { once: true });
      link.click();
    });
  }

  const goFile = (section) => go(section.querySelector("h3"), section.querySelector("h3"));

  function moveFile(step) {
    const list = step > 0 ? files() : files().reverse();
    const beyond = step > 0 ? after : before;
    const found = list.find((section) => !section.contains(here) && beyond(section));
    if (found) goFile(found);
  }

  function fold() {
    const section = here?.closest(".df") || document.activeElement?.closest(".df");
    if (section) section.classList.toggle("folded");
  }

  const { key } = window.portal;
  const onDiff = () => Boolean(root());
  key("next-block", () => moveBlock(1), onDiff);
  key("previous-block", () => moveBlock(-1), onDiff);
  key("next-file", () => moveFile(1), onDiff);
  key("previous-file", () => moveFile(-1), onDiff);
  key("fold", fold, onDiff);
  const otherView = () => document.querySelector("[data-diff-view]:not([aria-current])");
  key("view", () => otherView().click(), otherView);
  window.portalDiff = { loadFile, loadRows, fill, arrived, reach, watch, once, parsed, fetched, here: () => here };

  document.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || !root()) return;
    const link = event.target.closest?.("a");
    const more = link?.closest("tbody.mr");
    const section = link?.closest(".df");
    if (more && more.dataset.state !== "failed") {
      event.preventDefault();
      loadRows(more);
    } else if (section && ["load", "closed"].includes(section.dataset.state) && link.closest(".fb") && root().dataset.rowsUrl) {
      event.preventDefault();
      loadFile(section).then(() => goFile(section));
    }
  });

  // #f-<id>-R12 or #f-<id>-R12-R18: the file is loaded, then the window with the line, then one goes there.
  const HASH = /^#f-([0-9a-f]+)(?:-([LR]\d+))?(?:-([LR]\d+))?$/;

  async function reach(hash, focus = true) {
    const [, id, first, last] = HASH.exec(hash) || [];
    if (!id) return false;
    const section = document.getElementById(`f-${id}`);
    if (!section) return elsewhere(id, first, hash);
    section.classList.remove("folded");
    if (!first) {
      if (section.dataset.state !== "closed") await loadFile(section, true);
      goFile(section);
      return true;
    }
    await loadLine(section, first);
    const target = document.getElementById(`f-${id}-${first}`);
    if (!target) goFile(section);
    else go(target.closest("tr"), focus ? target.querySelector("a") || target.closest("tr").querySelector("td.n a") : document.activeElement);
    const end = last && document.getElementById(`f-${id}-${last}`)?.closest("tr");
    for (let row = here; end && row && row !== end && row.matches("tr"); row = row.nextElementSibling) row.nextElementSibling?.classList.add("at");
    return Boolean(target);
  }

  /* A file whose heading is on a later page has a page of its own. */
  function elsewhere(id, line, hash) {
    if (!document.querySelector("#more-files")) return false;
    const url = new URL(location.href);
    url.searchParams.set("file", id);
    if (line) url.searchParams.set("line", line);
    url.hash = hash;
    location.assign(url);
    return true;
  }
  const followHash = () => reach(location.hash);

  function start() {
    if (!root()) return;
    watch(root());
    followHash();
  }
  window.addEventListener("hashchange", followHash);
  /* Once the page is whole, the browser goes to the fragment itself, and takes the focus from the line that has it. */
  window.addEventListener("load", () => requestAnimationFrame(() => { if (root() && document.activeElement === document.body) followHash(); }));
  document.addEventListener("htmx:after:swap", (event) => root()?.contains(event.target) && watch(root()));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
