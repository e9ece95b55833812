/* The page around the rows: the file list, "Load all files", a comment on the chosen line.
 * Loading and moving is diff.js (window.portalDiff). Without scripts every file and every window of rows is a link.
 */
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const box = $("[data-rows-url]");
  if (!box) return;
  const portal = window.portal, diff = window.portalDiff;

  /* ------------------------------------------------------------------------------------------------ the file list */
  const narrow = (field) => {
    const words = field.value.trim().toLowerCase();
    for (const row of $$("#diff-files li")) row.hidden = Boolean(words) && !row.textContent.toLowerCase().includes(words);
  };
  document.addEventListener("input", ({ target }) => { if (target.matches?.("[data-file-filter]")) narrow(target); });
  /* A file whose heading came later has a link to a page of its own; once the heading is here, it is gone to. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#diff-files a[href^='?']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !document.getElementById(link.hash.slice(1))) return;
    event.preventDefault();
    location.hash = link.hash;
  });
  const reveal = () => { const field = $("[data-file-filter]"); if (field) field.hidden = false; };
  const fillCounts = () => {
    for (const counts of $$("#diff-files [data-counts]")) {
      const section = document.getElementById(counts.closest("a").hash.slice(1));
      const heading = section && $(":scope > .fh > span:not(.st)", section);
      if (heading && heading.textContent !== counts.dataset.counts) heading.textContent = counts.dataset.counts;
    }
  };
  document.addEventListener("htmx:after:swap", () => { reveal(); fillCounts(); });

  /* ---------------------------------------------------------------------------------------------------- load all */
  const button = $("[data-load-all]");
  if (button && diff && $('.df[data-state="load"]', box)) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.setAttribute("aria-busy", "true");
      button.textContent = "Loading…";
      const waiting = $$('.df[data-state="load"]', box);
      const worker = async () => { for (let next = waiting.shift(); next; next = waiting.shift()) await diff.loadFile(next); };
      await Promise.all([worker(), worker(), worker(), worker()]);
      button.remove();
      portal?.announce("All files are loaded.");
    });
  }

  /* ------------------------------------------------------------------------------------------- comment on a line */
  const form = $("#line-comment");
  const choose = (hash) => {
    const match = /^#f-([0-9a-f]+)-([LR])(\d+)$/.exec(hash);
    const path = match && form && $(`#diff-files a[href$="#f-${match[1]}"] bdi`)?.textContent;
    if (!path) return;
    form.elements.path.value = path;
    form.elements.line.value = match[3];
    form.elements.side.value = match[2] === "L" ? "old" : "new";
  };
  box.addEventListener("click", ({ target }) => choose(target.closest?.(".n a")?.hash || ""));
  const comment = () => {
    choose(document.activeElement?.closest?.(".n a")?.hash || $(".dt tr.at .n a", box)?.hash || location.hash);
    form.closest("details").open = true;
    form.scrollIntoView({ block: "center" });
    form.elements.body.focus({ preventScroll: true });
  };
  const review = () => {
    const panel = $("#review details");
    panel.open = true;
    panel.scrollIntoView({ block: "center" });
    $("input[type=radio]", panel)?.focus({ preventScroll: true });
  };

  portal.key("filter-files", () => { reveal(); $("[data-file-filter]").focus(); }, () => $("[data-file-filter]"));
  portal.key("comment", comment, () => form);
  portal.key("finish-review", review, () => $("#review details"));
  const openReview = () => { const panel = location.hash === "#review" && $("#review details"); if (panel) panel.open = true; };
  addEventListener("hashchange", openReview);
  openReview();
  reveal();
  fillCounts();
})();
