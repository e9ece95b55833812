/* The difference page: files load when they come near, rows follow on demand, keys move between blocks and files.
 *
 * Without it every file and every window of rows is a link to a page. Reads #diff[data-diff-fragment, data-diff-query],
 * section.df[data-state, data-lines], tbody.mr[data-next] (written by apps.diffs), [data-load-all], [data-file-filter].
 */
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const box = $("#diff");
  if (!box) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const scroll = (element, block = "start") => element.scrollIntoView({ block, behavior: still ? "auto" : "smooth" });

  /* ------------------------------------------------------------------------------------------- loading files and rows */
  const address = (id, extra = "") => `${box.dataset.diffFragment}${id}/?${box.dataset.diffQuery}${extra}`;
  const parse = (html) => { const holder = document.createElement("template"); holder.innerHTML = html; return holder.content; };
  const get = async (url) => {
    const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    return response.text();
  };
  const failed = (place, again) => {
    const note = document.createElement("p"), button = document.createElement("button");
    note.setAttribute("role", "alert");
    note.textContent = "This file could not be loaded. ";
    button.type = "button";
    button.className = "btn btn-sm";
    button.textContent = "Try again";
    button.addEventListener("click", again, { once: true });
    note.append(button);
    place.replaceChildren(note);
  };
  const loading = new Map();
  const loadFile = (section) => {
    const id = section.dataset.file;
    if (section.dataset.state === "open") return Promise.resolve(section);
    if (!loading.has(id)) {
      const work = get(address(id))
        .then((html) => {
          const fresh = $(".df", parse(html));
          if (!fresh) throw new Error("empty");
          const held = section.contains(document.activeElement);
          section.replaceWith(fresh);
          if (held) $("h3", fresh)?.focus({ preventScroll: true });
          return fresh;
        })
        .catch(() => { failed($(".fb", section), () => loadFile(section)); return section; })
        .finally(() => loading.delete(id));
      loading.set(id, work);
    }
    return loading.get(id);
  };
  const loadRows = async (more) => {
    if (more.dataset.busy) return;
    more.dataset.busy = "1";
    try {
      const holder = parse(`<table>${await get(address(more.dataset.file, `&start=${more.dataset.next}`))}</table>`);
      const bodies = $$("tbody", holder);
      more.replaceWith(...bodies);
      bodies[0]?.rows[0]?.querySelector("a")?.focus({ preventScroll: true });
    } catch {
      delete more.dataset.busy;
      window.portal?.announce("These rows could not be loaded. Try again.");
    }
  };

  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      if (target.isConnected) loadFile(target);
    }
  }, { rootMargin: "1200px 0px" });
  const watch = () => {
    for (const section of $$('.df[data-state="load"]', box)) {
      if (section.dataset.lines) section.style.setProperty("--lines", section.dataset.lines);
      near.observe(section);
    }
  };
  document.addEventListener("htmx:after:swap", watch);
  box.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const more = link.closest("tbody.mr"), section = link.closest(".df");
    if (more) { event.preventDefault(); loadRows(more); }
    else if (section && section.dataset.state !== "open" && link.closest(".fb")) { event.preventDefault(); loadFile(section); }
    else if (link.closest(".n")) chooseLine(link);
  });

  /* --------------------------------------------------------------------------------- addresses: #f-ab12, #f-ab12-R12 */
  const show = async () => {
    const match = /^#f-([0-9a-f]+)(-[LR]\d+)?$/.exec(location.hash);
    if (!match) return;
    let section = document.getElementById(`f-${match[1]}`);
    if (!section) return;
    section = await loadFile(section);
    let place = match[2] ? document.getElementById(location.hash.slice(1)) : section;
    for (let more = $("tbody.mr", section); match[2] && !place && more; more = $("tbody.mr", section)) {
      await loadRows(more);
      place = document.getElementById(location.hash.slice(1));
    }
    place = place || section;
    scroll(place, match[2] ? "center" : "start");
    ($("a", place) || $("h3", place))?.focus({ preventScroll: true });
  };
  addEventListener("hashchange", show);

  /* ------------------------------------------------------------------------------------------------ comment on a line */
  const form = $("#line-comment");
  const chooseLine = (link) => {
    if (!form) return;
    const match = /^#f-([0-9a-f]+)-([LR])(\d+)$/.exec(link.hash);
    const path = match && $(`#diff-files a[href="#f-${match[1]}"]`)?.title;
    if (!path) return;
    form.elements.path.value = path;
    form.elements.line.value = match[3];
    form.elements.side.value = match[2] === "L" ? "old" : "new";
  };
  const comment = () => {
    if (!form) return;
    form.closest("details").open = true;
    scroll(form, "center");
    form.elements.body.focus({ preventScroll: true });
  };

  /* --------------------------------------------------------------------------------------------------- moving by keys */
  const sections = () => $$(".df", box);
  const here = () => {
    const held = document.activeElement?.closest?.(".df");
    if (held) return held;
    return sections().find((section) => section.getBoundingClientRect().bottom > 90) || sections()[0];
  };
  const file = (step) => {
    const all = sections(), next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(here()) + step))];
    if (!next) return;
    scroll(next);
    $("h3", next)?.focus({ preventScroll: true });
  };
  const changed = "tr.a, tr.d, tr.x > td.a, tr.x > td.d";
  const starts = (section) => {
    const rows = $$("tr", section).filter((row) => row.matches("tr.a, tr.d, tr.x"));
    return rows.filter((row) => !row.previousElementSibling?.matches("tr.a, tr.d, tr.x"));
  };
  const block = async (step) => {
    const all = sections();
    let at = all.indexOf(here());
    for (let section = all[at]; section; section = all[at]) {
      section = await loadFile(section);
      const focus = document.activeElement;
      const inside = section.contains(focus) && focus.closest("tr");
      const found = starts(section).filter((row) => !inside || (step > 0
        ? inside.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING
        : inside.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_PRECEDING));
      const row = step > 0 ? found[0] : found[found.length - 1];
      if (row) {
        scroll(row, "center");
        ($("a", row) || row).focus({ preventScroll: true });
        return;
      }
      at += step;
      if (all[at]) $("h3", all[at])?.focus({ preventScroll: true });
    }
  };
  const fold = () => { const body = here() && $(".fb", here()); if (body) body.hidden = !body.hidden; };

  const filter = $("[data-file-filter]");
  const narrow = () => {
    const words = $("[data-file-filter]").value.trim().toLowerCase();
    for (const row of $$("#diff-files li")) row.hidden = Boolean(words) && !row.textContent.toLowerCase().includes(words);
  };
  document.addEventListener("input", (event) => { if (event.target.matches?.("[data-file-filter]")) narrow(); });
  const reveal = () => { const field = $("[data-file-filter]"); if (field) field.hidden = false; };
  document.addEventListener("htmx:after:swap", reveal);

  const all = $("[data-load-all]");
  if (all && $('.df[data-state="load"]', box)) {
    all.hidden = false;
    all.addEventListener("click", async () => {
      all.setAttribute("aria-busy", "true");
      all.textContent = "Loading…";
      const waiting = $$('.df[data-state="load"]', box);
      const worker = async () => { for (let next = waiting.shift(); next; next = waiting.shift()) await loadFile(next); };
      await Promise.all([worker(), worker(), worker(), worker()]);
      all.remove();
      window.portal?.announce("All files are loaded.");
    });
  }

  const portal = window.portal;
  if (portal) {
    portal.shortcut("n", "Next changed block", () => block(1), () => $(changed) || sections().length);
    portal.shortcut("p", "Previous changed block", () => block(-1));
    portal.shortcut("]", "Next file", () => file(1));
    portal.shortcut("[", "Previous file", () => file(-1));
    portal.shortcut("z", "Fold or unfold the file", fold);
    portal.shortcut("t", "Filter the list of files", () => { reveal(); $("[data-file-filter]")?.focus(); }, () => filter);
    portal.shortcut("c", "Comment on the chosen line", comment, () => form);
    portal.shortcut("r", "Finish the review", () => {
      const panel = $("#review details");
      if (!panel) return;
      panel.open = true;
      scroll($("#review"), "center");
      $("input[type=radio], textarea", panel)?.focus({ preventScroll: true });
    }, () => $("#review-form"));
    portal.shortcut("m", "Unified or side by side", () => $('.revision-bar .seg a:not([aria-current])')?.click());
  }
  reveal();
  watch();
  show();
})();
