/* Threads: they stand in the rows of a difference, one form is moved to the chosen lines, drafts save themselves.
 *
 * The server sends threads beside the rows (rows are shared and cached): #diff-threads holds bars with data-file and data-row.
 * Without scripts they stay there as a list. A bar whose row has not come yet waits under the heading of its file, and is
 * moved when the row arrives; the Map below holds every bar, so none is lost when rows are replaced.
 */
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const portal = window.portal, diff = window.portalDiff;
  const policy = window.trustedTypes?.createPolicy?.("portal-threads", { createHTML: (html) => html });
  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = policy ? policy.createHTML(html) : html; /* written and escaped by the server */
    return template.content;
  };
  const asked = async (url, options = {}) => {
    const answer = await fetch(url, { credentials: "same-origin", ...options, headers: { "HX-Request": "true", ...options.headers } });
    if (answer.headers.get("HX-Redirect")?.includes("/accounts/login/")) throw new Error("signed out");
    return answer;
  };
  const box = () => $("#diff-threads");
  const rows = $("[data-rows-url]");

  /* ------------------------------------------------------------------------------------------------- bars in the rows */
  const bars = new Map(); /* id → element */
  const collect = (from) => { for (const bar of $$(".thread[data-thread], .thread[data-draft-of]", from)) bars.set(bar.id, bar); };
  const strip = (row) => {
    if (row.nextElementSibling?.classList.contains("tt")) return row.nextElementSibling.firstElementChild;
    const line = document.createElement("tr"), cell = document.createElement("td");
    line.className = "tt";
    cell.colSpan = row.closest(".sp") ? 6 : 4;
    line.append(cell);
    row.after(line);
    return cell;
  };
  const shelf = (section) => {
    let found = $(":scope > .ft", section);
    if (!found) {
      found = document.createElement("div");
      found.className = "ft";
      $(":scope > .fh", section).after(found);
    }
    return found;
  };
  const homeOf = ({ dataset }) => {
    if (!dataset.file) return null;
    const row = dataset.row && document.getElementById(`f-${dataset.file}-${dataset.row}`)?.closest("tr");
    if (row) return strip(row);
    const section = document.getElementById(`f-${dataset.file}`);
    return section ? shelf(section) : null;
  };
  const sweep = () => {
    for (const cell of $$("tr.tt > td", rows || document)) if (!cell.childElementCount) cell.parentElement.remove();
    for (const one of $$(".ft", rows || document)) if (!one.childElementCount) one.remove();
  };
  /* What somebody else began pushes nothing down that is being read: it waits until its place is out of sight, or is asked for. */
  const waits = (bar) => {
    if (bar.dataset.fresh === undefined) return false;
    const row = bar.dataset.row && document.getElementById(`f-${bar.dataset.file}-${bar.dataset.row}`)?.closest("tr");
    const spot = row || document.getElementById(`f-${bar.dataset.file}-h`) || box();
    const below = row?.nextElementSibling?.matches(".tt") ? row.nextElementSibling : spot; /* what is said there already */
    if (below.getBoundingClientRect().bottom >= 0 && spot.getBoundingClientRect().top <= innerHeight) return true;
    delete bar.dataset.fresh;
    return false;
  };
  /* The draft that is being written stands in the form. */
  const isOpen = (bar) => Boolean(bar.dataset.draftOf && !bar.isConnected && chosen && form?.dataset.placed !== undefined && bar.dataset.file === chosen.file && Number(bar.dataset.line) === chosen.last);
  let offer = null;
  const offered = (count) => {
    offer?.remove();
    offer = null;
    if (!count) return;
    offer = document.createElement("button");
    offer.type = "button";
    offer.className = "btn btn-primary threads-offer";
    offer.textContent = `${count} new thread${count > 1 ? "s" : ""} here: show`;
    offer.addEventListener("click", () => {
      for (const bar of bars.values()) delete bar.dataset.fresh;
      place();
    });
    document.body.append(offer);
  };
  const place = () => {
    if (!rows) return;
    const held = [...bars.values()].filter(waits);
    if (held.length !== (offer ? Number.parseInt(offer.textContent, 10) : 0)) {
      offered(held.length);
      if (held.length) portal?.announce(offer.textContent);
    }
    for (const bar of bars.values()) {
      if (held.includes(bar) || isOpen(bar)) continue;
      const home = homeOf(bar) || (bar.isConnected ? null : $("[data-unplaced]", box()) || box());
      if (home && bar.parentElement !== home && !bar.contains(document.activeElement)) home.append(bar);
    }
    sweep();
  };
  let due = 0;
  addEventListener("scrollend", () => { if (offer) place(); }, { passive: true });
  const soon = () => { if (!due) due = requestAnimationFrame(() => { due = 0; place(); }); };
  const ours = (node) => node.nodeType !== 1 || node.matches(".tt, .ft, .thread, form");
  if (rows) new MutationObserver((all) => { if (all.some(({ addedNodes, removedNodes }) => [...addedNodes, ...removedNodes].some((node) => !ours(node)))) soon(); })
    .observe(rows, { childList: true, subtree: true });

  /* ------------------------------------------------------------------------------ comments come when a bar is opened */
  const fill = async (bar) => {
    const body = $(".thread-body", bar);
    if (!body || body.getAttribute("aria-busy")) return;
    body.setAttribute("aria-busy", "true");
    try {
      const answer = await asked(body.dataset.body);
      if (answer.ok) body.replaceChildren(parsed(await answer.text()));
      $(".thread-news", bar)?.remove();
      portal?.refresh(body);
    } catch { /* the link inside leads to the same */ }
    body.removeAttribute("aria-busy");
  };
  document.addEventListener("toggle", ({ target }) => {
    if (target.matches?.(".thread[open]") && ($(".thread-later", target) || $(".thread-news", target))) fill(target);
  }, true);

  /* ------------------------------------------------ news of others: a word in the bar; nothing moves, nothing is replaced */
  const newsOf = (count) => {
    const news = document.createElement("span");
    news.className = "thread-news";
    news.textContent = count > 0 ? `${count} new comment${count > 1 ? "s" : ""}` : "changed";
    return news;
  };
  const mark = (bar, fresh) => {
    const count = Number(fresh.dataset.version.split(".")[1]) - Number(bar.dataset.version.split(".")[1]);
    bar.dataset.version = fresh.dataset.version;
    bar.toggleAttribute("data-unsettled", fresh.hasAttribute("data-unsettled"));
    const news = newsOf(count);
    $("summary", bar).replaceChildren(...$("summary", fresh).childNodes);
    $("summary", bar).append(" ", news);
    if (bar.open) {
      const show = document.createElement("button");
      show.type = "button";
      show.className = "btn btn-sm";
      show.textContent = "Show";
      show.addEventListener("click", (event) => { event.preventDefault(); fill(bar); });
      news.append(" ", show);
    }
    if (count > 0 && bar.contains(document.activeElement)) portal?.announce(`${count} new in thread ${bar.dataset.thread}.`);
  };
  const merge = (content) => {
    const seen = new Set();
    for (const fresh of $$(".thread[data-thread], .thread[data-draft-of]", content)) {
      const bar = bars.get(fresh.id);
      seen.add(fresh.id);
      if (!bar) {
        if (fresh.tagName === "DETAILS" && !own) {
          fresh.open = false;
          $("summary", fresh).append(" ", newsOf(Number(fresh.dataset.version.split(".")[1])));
            fresh.dataset.fresh = "";
        }
        bars.set(fresh.id, fresh);
      } else if (bar.dataset.version !== fresh.dataset.version) {
        if (bar.dataset.draftOf) bar.replaceChildren(...fresh.childNodes), (bar.dataset.version = fresh.dataset.version);
        else mark(bar, fresh);
      }
    }
    for (const [id, bar] of bars) if (!seen.has(id) && bar.dataset.draftOf) { bar.remove(); bars.delete(id); }
    const title = $(".diff-threads-title", content), old = $(".diff-threads-title");
    if (title && old) old.textContent = title.textContent;
    else if (title) box().prepend(title);
  };
  /* What a person reads or writes stays where it is, whatever comes above it. */
  const still = (act) => {
    const page = document.scrollingElement, focused = document.activeElement, box = focused?.getBoundingClientRect();
    const held = focused !== document.body && box.bottom > 0 && box.top < innerHeight ? focused : document.elementFromPoint(innerWidth / 2, innerHeight / 2);
    const top = held?.getBoundingClientRect().top;
    page.style.overflowAnchor = "none"; /* once is enough */
    act();
    if (held?.isConnected) scrollBy({ top: held.getBoundingClientRect().top - top, behavior: "instant" });
    requestAnimationFrame(() => page.style.removeProperty("overflow-anchor"));
  };
  let own = false; /* what comes next was said here: it needs no "new" */
  const renew = async () => {
    const list = $("[data-threads]");
    try {
      if (box()) {
        const answer = await asked(box().dataset.diffThreads);
        const html = answer.ok && await answer.text();
        if (html) still(() => { merge(parsed(html)); place(); });
      } else if (list) {
        const answer = await asked(list.dataset.threads);
        if (!answer.ok) return;
        const content = parsed(await answer.text());
        const before = new Set(bars.keys());
        still(() => {
          merge(content);
          for (const [id, bar] of bars) if (!before.has(id)) $(".thread-list", list).append(bar);
          $(".panel-head", list).replaceChildren(...$(".panel-head", content).childNodes);
        });
      }
    } catch { /* the next notice asks again */ }
  };
  document.addEventListener("portal:change", renew);

  /* ----------------------------------------------------------------------------------------------- drafts on the server */
  const waiting = new Map();
  const say = (field, text) => { const box = $("[data-saved]", field.form); if (box) box.textContent = text; };
  const flying = new Map(); /* form → the save that is under way: what is said must not be overtaken by its draft */
  const save = (field) => {
    clearTimeout(waiting.get(field));
    waiting.delete(field);
    const { form } = field, data = new FormData(form); /* now: the form may be elsewhere when its turn comes */
    data.delete("pending");
    flying.set(form, (flying.get(form) || Promise.resolve()).then(() => keep(field, data)));
  };
  const keep = async (field, data) => {
    try {
      const answer = await asked(field.dataset.autosave, { method: "POST", body: data });
      say(field, answer.ok ? (field.value.trim() ? "Draft saved" : "") : "The draft is not saved on the server; it is kept in this tab.");
    } catch { say(field, "The draft is not saved on the server; it is kept in this tab."); }
  };
  document.addEventListener("input", ({ target }) => {
    if (!target.dataset?.autosave || !target.form) return;
    clearTimeout(waiting.get(target));
    waiting.set(target, setTimeout(() => save(target), 1200));
  });
  document.addEventListener("focusout", ({ target }) => { if (waiting.has(target)) save(target); });
  const forgetTimers = (form) => { for (const [field, timer] of waiting) if (field.form === form) { clearTimeout(timer); waiting.delete(field); } };

  /* --------------------------------------------------------------------- forms in threads are sent without leaving the page */
  const refuse = (form, content) => {
    $(".form-refused", form)?.remove();
    const note = document.createElement("div");
    note.className = "form-refused alert-box alert-box--bad";
    note.setAttribute("role", "alert");
    note.textContent = content;
    form.prepend(note);
  };
  const send = async (form, submitter) => {
    forgetTimers(form);
    await flying.get(form);
    const data = new FormData(form, submitter);
    let answer;
    try {
      answer = await asked(submitter?.hasAttribute("formaction") ? submitter.formAction : form.action, { method: "POST", body: data });
    } catch (problem) {
      refuse(form, problem.message === "signed out" ? "Your session has ended. What you typed is still here; sign in in another tab, then send it again." : "The server could not be reached. What you typed is still here.");
      return false;
    }
    if (!answer.ok) {
      const page = parsed(await answer.text());
      refuse(form, ($(".alert-text, .error-text, p", page) || page).textContent.trim().replace(/\s+/g, " ") || `Refused (${answer.status}).`);
      return false;
    }
    $(".form-refused", form)?.remove();
    return true;
  };
  /* On the window, so that it comes before what portal.js does with every form that leaves the page. */
  addEventListener("submit", async (event) => {
    const form = event.target;
    const mine = form.matches?.("[data-thread-form]") || (form.id === "line-comment" && form.dataset.placed !== undefined);
    if (!mine || event.defaultPrevented) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (form.dataset.posting) return;
    form.dataset.posting = "1";
    const bar = form.closest(".thread"), area = $("textarea", form);
    const done = await send(form, event.submitter);
    delete form.dataset.posting;
    if (!done) return;
    if (area) { area.value = ""; area.dispatchEvent(new Event("input", { bubbles: true })); forgetTimers(form); }
    if (form.id === "line-comment") { own = true; close(); }
    await renew();
    own = false;
    if (bar) await fill(bar);
  }, true);

  /* -------------------------------------------------------------------------------------- the one form, and its lines */
  const form = $("#line-comment"), home = $("#line-comment-home");
  const placeOf = (hash) => /^#f-([0-9a-f]+)-([LR])(\d+)$/.exec(hash || "");
  const paint = () => {
    for (const row of $$(".dt tr.chosen", rows)) row.classList.remove("chosen");
    if (!chosen) return;
    for (let line = chosen.first; line <= chosen.last; line += 1) document.getElementById(`f-${chosen.file}-${chosen.letter}${line}`)?.closest("tr").classList.add("chosen");
  };
  let chosen = null, pressed = null;
  const choose = (from, to) => {
    const a = Number(from[3]), b = from[1] === to[1] && from[2] === to[2] ? Number(to[3]) : a;
    chosen = { file: from[1], letter: from[2], first: Math.min(a, b), last: Math.max(a, b) };
    paint();
  };
  const close = () => {
    if (!form || form.dataset.placed === undefined) return;
    const row = chosen && document.getElementById(`f-${chosen.file}-${chosen.letter}${chosen.last}`);
    delete form.dataset.placed;
    form.hidden = false;
    $("[data-close-composer]", form).hidden = true;
    form.elements.file.value = form.elements.path.value = ""; /* from here on a path is typed */
    home.append(form);
    chosen = null;
    place();
    paint();
    $("a", row?.closest("tr") || home)?.focus({ preventScroll: true });
  };
  const open = (suggest) => {
    if (!form || !chosen) return;
    const row = document.getElementById(`f-${chosen.file}-${chosen.letter}${chosen.last}`)?.closest("tr");
    if (!row) return;
    const key = `${chosen.file}${chosen.letter}${chosen.first}-${chosen.last}`;
    const fields = form.elements;
    if (form.dataset.placed !== key && form.dataset.placed !== undefined && fields.body.value.trim()) save(fields.body);
    const other = form.dataset.placed !== key;
    fields.file.value = chosen.file; /* the server knows its path: what is shown may hold tokens, and both names of a moved file */
    fields.path.value = $(`#f-${chosen.file}-h`)?.textContent.trim() || chosen.file;
    fields.start_line.value = chosen.first;
    fields.line.value = chosen.last;
    fields.side.value = chosen.letter === "L" ? "old" : "new";
    form.dataset.placed = key;
    if (other) {
      const draft = $$(".thread--draft").find(({ dataset }) => dataset.file === chosen.file && dataset.side === fields.side.value && Number(dataset.start) === chosen.first && Number(dataset.line) === chosen.last);
      fields.body.value = draft ? $(".draft-text", draft).textContent : "";
      if (draft) fields.kind.value = draft.dataset.kind;
      say(fields.body, "");
      fields.idempotency_key.value = crypto.randomUUID?.().replaceAll("-", "") || String(Math.random()).slice(2).padEnd(16, "0");
    }
    if (suggest && chosen.letter === "R" && !fields.body.value.includes("```suggestion")) {
      const lines = [];
      for (let line = chosen.first; line <= chosen.last; line += 1) lines.push(textOf(line));
      const fence = lines.some((line) => line.includes("```")) ? "~~~" : "```";
      fields.body.value += `${fields.body.value ? "\n" : ""}${fence}suggestion\n${lines.join("\n")}\n${fence}`;
    }
    $("[data-close-composer]", form).hidden = false;
    strip(row).append(form);
    fields.body.focus({ preventScroll: true });
    form.scrollIntoView({ block: "nearest" });
  };
  const textOf = (line) => {
    const row = document.getElementById(`f-${chosen.file}-R${line}`)?.closest("tr");
    const cell = row && row.lastElementChild.cloneNode(true);
    if (!cell) return "";
    for (const extra of $$(".sr, .eof", cell)) extra.remove();
    return cell.textContent;
  };
  const linkOf = (target) => target.closest?.(".dt .n a, .dt td.n")?.closest("td")?.querySelector("a[href^='#f-']");
  if (rows && form) {
    rows.addEventListener("pointerdown", (event) => {
      const link = !event.button && linkOf(event.target);
      if (link && !event.shiftKey && !event.ctrlKey && !event.metaKey) pressed = placeOf(link.hash);
    });
    rows.addEventListener("pointerover", (event) => {
      const link = pressed && event.buttons === 1 && linkOf(event.target);
      const at = link && placeOf(link.hash);
      if (at && at[1] === pressed[1]) choose(pressed, at);
    });
    addEventListener("pointerup", (event) => {
      const link = pressed && linkOf(event.target);
      const from = pressed, to = link && placeOf(link.hash);
      pressed = null;
      if (to && from && to[0] !== from[0]) { choose(from, to); open(false); }
    });
    rows.addEventListener("click", (event) => {
      const link = event.target.closest?.(".dt .n a");
      const at = link && placeOf(link.hash);
      if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.shiftKey && chosen && chosen.file === at[1]) choose([0, chosen.file, chosen.letter, chosen.first], at);
      else choose(at, at);
      history.replaceState(null, "", link.hash);
      open(false);
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape" && form.dataset.placed !== undefined) { event.preventDefault(); close(); } });
    $("[data-close-composer]", form).addEventListener("click", close);
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("[data-edit-draft]"), draft = link?.closest(".thread--draft");
      if (!draft?.dataset.row) return;
      event.preventDefault();
      chosen = { file: draft.dataset.file, letter: draft.dataset.side === "old" ? "L" : "R", first: Number(draft.dataset.start), last: Number(draft.dataset.line) };
      paint();
      open(false);
    });
  }
  const here = () => {
    const link = document.activeElement?.closest?.(".dt tr")?.querySelector(".n a[href^='#f-']") || $(".dt tr.at .n a", rows);
    const at = placeOf(link?.hash || location.hash);
    if (at && !(chosen && chosen.file === at[1] && chosen.first <= Number(at[3]) && Number(at[3]) <= chosen.last)) choose(at, at);
    return chosen;
  };
  const comment = (suggest) => () => {
    if (here()) return open(suggest);
    home.open = true;
    home.scrollIntoView({ block: "center" });
    form.elements.path.focus({ preventScroll: true });
  };

  /* --------------------------------------------------------------------------------------------- from thread to thread */
  let last = null;
  const reveal = async (bar) => {
    const section = bar.dataset.file && document.getElementById(`f-${bar.dataset.file}`);
    if (section && diff) {
      section.classList.remove("folded");
      await diff.loadFile(section);
      place();
    }
    last = bar;
    if (bar.tagName === "DETAILS" && !bar.open) bar.open = true;
    bar.scrollIntoView({ block: "center" });
    ($("summary", bar) || bar).focus({ preventScroll: true });
  };
  const unsettled = () => $$(".thread[data-unsettled]");
  const go = (step) => () => {
    const all = unsettled();
    const now = document.activeElement?.closest(".thread") || last;
    const beyond = now && all.includes(now) ? all.indexOf(now) + step : step > 0 ? 0 : all.length - 1;
    const next = all[beyond];
    if (next) reveal(next);
    else portal?.announce(all.length ? "No further open thread." : "No thread is open.");
  };
  const followHash = () => {
    const bar = /^#thread-\d+$/.test(location.hash) && bars.get(location.hash.slice(1));
    if (bar) reveal(bar);
  };

  collect(document);
  place();
  followHash();
  addEventListener("hashchange", followHash);
  if (portal?.key) {
    portal.key("next-thread", go(1), () => unsettled().length);
    portal.key("previous-thread", go(-1), () => unsettled().length);
    portal.key("comment", comment(false), () => form);
    portal.key("suggest", comment(true), () => form);
  }
})();
