// Diff pages: files and rows load when they come near, keys move between changes. Everything works as links without it.
// The page marks its diff with <div data-rows-url="/changes/7/_diff/{id}/?view=split">; the answer to
// …&start=N is the body of a file (start 0) or the next <tbody>s. Links that keep their href: [data-diff-view].
(() => {
  "use strict";
  const root = () => document.querySelector("[data-rows-url]"); // not [data-diff]: <html> carries the palette under that name
  const NEAR = "1200px";
  const MAX_AUTOMATIC = 5; // windows of one file that load by themselves; more is a person's wish
  const automatic = new WeakMap();
  const pending = new WeakMap();
  const policy = window.trustedTypes?.createPolicy?.("portal-diff", { createHTML: (html) => html });

  function address(id, start) {
    const base = root()?.dataset.rowsUrl;
    if (!base) return null;
    const url = new URL(base.replace("{id}", id), location.href);
    url.searchParams.set("start", start);
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

  function loadFile(section) {
    const url = ["load", "closed", "failed"].includes(section.dataset.state) && address(section.dataset.file, 0);
    if (!url) return Promise.resolve();
    return once(section, () => fetched(url).then((html) => {
      section.dataset.state = "open";
      section.querySelector(".fb").replaceChildren(parsed(html));
      arrived(section);
    }));
  }

  function loadRows(more) {
    const url = address(more.dataset.file, more.dataset.next);
    if (!url) return Promise.resolve();
    const section = more.closest(".df");
    return once(more, () => fetched(url).then((html) => {
      more.replaceWith(parsed(html));
      arrived(section);
    }));
  }

  function arrived(section) {
    watch(section);
    document.dispatchEvent(new CustomEvent("diff:rows"));
  }

  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      if (target.matches(".df")) loadFile(target);
      else {
        const section = target.closest(".df");
        const count = (automatic.get(section) || 0) + 1;
        automatic.set(section, count);
        if (count <= MAX_AUTOMATIC) loadRows(target);
      }
    }
  }, { rootMargin: NEAR });

  function watch(scope) {
    const sections = scope.querySelectorAll(".df[data-state=load]");
    for (const section of sections) {
      // Room is kept for what will come, so nothing jumps; set through CSSOM because style attributes are refused.
      section.style.setProperty("--df-height", `${Math.min(Number(section.dataset.lines || 4), 400) * 20 + 80}px`);
      observer.observe(section);
    }
    for (const more of scope.querySelectorAll("tbody.mr")) observer.observe(more);
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
    return [...section.querySelectorAll(".dt tr")].filter(
      (row) => isChange(row) && !(row.previousElementSibling && isChange(row.previousElementSibling)));
  }

  const after = (element) => !here || Boolean(here.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING);
  const before = (element) => Boolean(here && here.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING);

  async function moveBlock(step) {
    const list = step > 0 ? files() : files().reverse();
    const beyond = step > 0 ? after : before;
    for (const section of list) {
      if (!(section.contains(here) || beyond(section))) continue;
      if (section.dataset.state === "load") await loadFile(section);
      let found = blocks(section).filter(beyond);
      const more = step > 0 && !found.length && section.querySelector("tbody.mr");
      if (more) {
        await loadRows(more);
        found = blocks(section).filter(beyond);
      }
      if (found.length) return go(step > 0 ? found[0] : found[found.length - 1]);
      if (section.dataset.state === "closed" && !section.contains(here)) return goFile(section); // named, never skipped
    }
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
  window.portalDiff = { loadFile, watch, once, parsed, fetched, here: () => here };

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

  // #f-<id>-R12: the file is loaded first, window by window until the line is there.
  async function followHash() {
    const match = /^#f-([0-9a-f]+)(-[LR]\d+)?$/.exec(location.hash);
    const section = match && document.getElementById(`f-${match[1]}`);
    if (!section) return;
    await loadFile(section);
    if (!match[2]) return goFile(section);
    let target = document.getElementById(location.hash.slice(1));
    for (let more = section.querySelector("tbody.mr"); !target && more; more = section.querySelector("tbody.mr")) {
      if (more.dataset.state === "failed") break;
      await loadRows(more);
      target = document.getElementById(location.hash.slice(1));
    }
    if (target) go(target.closest("tr"), target.querySelector("a"));
  }

  function start() {
    if (!root()) return;
    watch(root());
    followHash();
  }
  window.addEventListener("hashchange", followHash);
  document.addEventListener("htmx:after:swap", (event) => root()?.contains(event.target) && watch(root()));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
