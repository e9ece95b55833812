/* The page around the rows: the file list, "Load all files". Comments are threads.js.
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
    const rows = $$("#diff-files .tree li:not(:has(ul))");
    for (const row of rows) row.hidden = Boolean(words) && !pathOf(row).toLowerCase().includes(words);
    for (const folder of $$("#diff-files .tree li:has(ul)").reverse()) {
      folder.hidden = !$(":scope > details > ul > li:not([hidden])", folder);
      if (words && !folder.hidden) $(":scope > details", folder).open = true;
    }
    $("[data-filter-none]").hidden = !words || rows.some((row) => !row.hidden);
  };
  /* The whole path of a line of the tree: the names of its folders, and its own. */
  const pathOf = (row) => {
    const names = [[...$(":scope > a", row).childNodes].find((node) => node.nodeType === Node.TEXT_NODE).data];
    for (let folder = row.parentElement.closest("li"); folder; folder = folder.parentElement.closest("li")) names.unshift($("summary > bdi", folder).textContent);
    return names.join("/");
  };
  const lineOf = (id) => $(`#diff-files a[href$="#f-${id}"]`)?.closest("li");
  document.addEventListener("input", ({ target }) => { if (target.matches?.("[data-file-filter]")) narrow(target); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || !event.target.matches?.("[data-file-filter]")) return;
    event.preventDefault();
    $("#diff-files .tree li:not([hidden]):not(:has(ul)) > a")?.focus();
  });
  /* A file whose heading came later has a link to a page of its own; once the heading is here, it is gone to. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#diff-files a, .undisplayed a, #diff-classes a");
    if (!link?.hash || event.ctrlKey || event.metaKey || event.shiftKey || !document.getElementById(link.hash.slice(1))) return;
    event.preventDefault();
    if (link.closest("#diff-files") && slim.matches) $("[data-drawer]").open = false;
    if (location.hash === link.hash) diff?.reach(link.hash);
    else location.hash = link.hash;
  });
  /* On a small screen the list is a drawer above the rows, closed at first. */
  const slim = matchMedia("(max-width: 768px)");
  const settleDrawer = () => {
    const list = $("#diff-files");
    if (!list || list.dataset.ready) return;
    if (slim.matches) $("[data-drawer]", list).open = false;
    list.dataset.ready = "yes";
  };
  const fillHeadings = () => {
    for (const link of $$("#diff-files .tree a")) {
      const heading = $(":scope > .fh", document.getElementById(link.hash.slice(1)) || document.createElement("p"));
      if (!heading) continue;
      const words = $("[data-counts]", link)?.dataset.counts, counts = $(":scope > span:not(.st):not(.owner)", heading);
      if (words && counts && counts.textContent !== words) counts.textContent = words;
      if (!link.dataset.owner || $(":scope > .owner", heading)) continue;
      const owner = document.createElement("span");
      owner.className = "owner muted";
      owner.textContent = `owner ${link.dataset.owner}`;
      (counts || heading.lastElementChild).after(owner);
    }
  };
  /* Links that every open file has would weigh more than its heading: they are made when its rows come. */
  const linkFile = (section) => {
    const heading = $(":scope > .fh", section);
    if (!box.dataset.fileUrl || section.dataset.file === box.dataset.alone || !heading || $(".file-links", heading)) return;
    const links = document.createElement("span");
    links.className = "file-links";
    for (const page of ["history", "blame"]) {
      const link = document.createElement("a"), of = document.createElement("span");
      link.href = box.dataset.fileUrl.replace("{id}", section.dataset.file).replace("{page}", page);
      of.className = "sr";
      of.textContent = ` of ${$("h3", heading).textContent}`;
      link.append(page === "history" ? "History" : "Blame", of);
      links.append(link);
    }
    const viewed = $(".vw", heading);
    if (viewed) viewed.before(links); else heading.append(links);
  };
  document.addEventListener("diff:rows", ({ target }) => linkFile(target));
  const linkOpen = () => { for (const section of $$('.df[data-state="open"]', box)) linkFile(section); };
  document.addEventListener("htmx:after:swap", ({ target }) => {
    settleDrawer();
    linkOpen();
    fillHeadings();
    if (target.id === "diff-files" || target.querySelector?.("#diff-files")) document.body.dispatchEvent(new CustomEvent("portal:diff-counted"));
  });

  /* ---------------------------------------------------------------------------------------------------- load all */
  const everything = $("[data-load-all]");
  let stop = null;
  /* One answer with all files, read while it is sent. What somebody reads already is left as it is. */
  const readAll = async (url, progress) => {
    stop = new AbortController();
    const answer = await fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin", signal: stop.signal });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "", count = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const pieces = (text + part.value).split("</section>");
      text = pieces.pop();
      for (const piece of pieces) {
        place(diff.parsed(`${piece}</section>`).firstElementChild);
        count += 1;
        if (count % 20) continue;
        progress(count);
        await new Promise((go) => { setTimeout(go); });
      }
    }
    for (const more of $$(".df[data-state=open]:not([data-asked]) tbody.mr", box)) await readRest(more);
  };
  const place = (section) => {
    const here = section && document.getElementById(section.id);
    if (section && !here) {
      const more = $("#more-files", box);
      if (more) more.before(section); else box.append(section);
      diff.arrived(section);
    } else if (here?.dataset.state === "load" && section.dataset.state === "open") {
      const rows = document.createDocumentFragment();
      rows.append(...$(".fb", section).childNodes);
      diff.fill(here, rows);
    }
  };
  const readRest = async (more) => {
    const section = more.closest(".df");
    for (let next = more; next && !stop.signal.aborted; next = $("tbody.mr:not([data-state])", section)) await diff.loadRows(next);
  };
  const loadAll = async () => {
    const total = everything.dataset.total;
    everything.textContent = "Cancel loading";
    const said = document.createElement("progress");
    said.max = total;
    said.value = 0;
    said.setAttribute("aria-label", "Files loaded");
    everything.before(said);
    try {
      await readAll(everything.dataset.loadAll, (count) => {
        said.value = count;
        everything.textContent = `Cancel · ${count} of ${total}`;
      });
      $("#more-files", box)?.remove();
      settled();
      portal?.announce("All files are loaded.");
    } catch (error) {
      everything.textContent = "Load all files";
      portal?.announce(error.name === "AbortError" ? "Loading was stopped. What is here stays." : "Not all files did load. Try once more.");
    }
    said.remove();
    stop = null;
  };
  everything?.addEventListener("click", (event) => {
    if (!diff || !everything.dataset.loadAll || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (stop) stop.abort(); else loadAll();
  });
  /* A small difference is all there soon after it is shown, so the browser's own search finds everything. */
  const settled = () => { everything.textContent = "On one page"; delete everything.dataset.loadAll; };
  if (everything && !$('.df[data-state="load"], #more-files, tbody.mr', box)) settled();
  const isSmall = box.dataset.tier === "1" && everything?.dataset.loadAll && $('.df[data-state="load"], tbody.mr', box);
  if (isSmall && diff) (window.requestIdleCallback || setTimeout)(() => { if (!stop) loadAll(); });

  /* ------------------------------------------------------------------------------------------------------ display */
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-display] button");
    if (!button) return;
    event.preventDefault();
    const form = button.form, values = new FormData(form);
    values.set(button.name, button.value);
    const kept = await fetch(form.action, { method: "POST", body: values, headers: { "HX-Request": "true" }, credentials: "same-origin" });
    if (!kept.ok) return form.requestSubmit(button);
    for (const other of $$(`button[name="${button.name}"]`, form)) other.setAttribute("aria-pressed", String(other === button));
    if (button.name === "layout") return $(`[data-diff-view="${button.value}"]:not([aria-current])`)?.click();
    document.documentElement.dataset[button.name] = button.value;
  });

  /* ------------------------------------------------------------------------------------------- finish the review */
  const review = () => {
    const panel = $("#review details");
    panel.open = true;
    panel.scrollIntoView({ block: "center" });
    $("input[type=radio]", panel)?.focus({ preventScroll: true });
  };

  portal.key("filter-files", () => { $("[data-drawer]").open = true; $("[data-file-filter]").focus(); }, () => $("[data-file-filter]"));
  portal.key("finish-review", review, () => $("#review details"));
  const openReview = () => { const panel = location.hash === "#review" && $("#review details"); if (panel) panel.open = true; };
  addEventListener("hashchange", openReview);
  openReview();
  settleDrawer();
  linkOpen();
  fillHeadings();
})();
