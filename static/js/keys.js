/* The keyboard. The rows of the dialog #shortcuts are the table, made by the server (apps/accounts/shortcuts.py); scripts
 * bind an action to an id of it: portal.key("next-block", act, when). An id without an action uses the control that
 * carries it: [data-key~="finish-review"] is followed or focused. Help, hints (aria-keyshortcuts) and handler are one.
 *
 * Lists: [data-rows] has roving focus, one Tab stop; arrows do what j and k do.
 */
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const rows = $$("#shortcuts [data-shortcut]");
  const table = new Map(rows.map(({ dataset }) => [dataset.shortcut, {
    id: dataset.shortcut, keys: dataset.keys, fixed: "fixed" in dataset, sends: "sends" in dataset,
  }]));
  const mac = /Mac|iP(hone|ad)/.test(navigator.platform);
  const isOn = () => rows.length > 0 && !("off" in $("#shortcuts").dataset);
  const isSeen = (one) => !one.closest("[hidden]") && one.getClientRects().length > 0;

  /* --------------------------------------------------------------------------------------- which action an id has */
  const bound = new Map();
  const key = (id, act, when = () => true) => {
    if (rows.length && !table.has(id)) throw new Error(`There is no shortcut “${id}” in the table.`);
    bound.set(id, [{ act, when }, ...(bound.get(id) || [])]);
  };
  const controlOf = (id) => {
    const all = $$(`[data-key~="${id}"]`);
    return all.find(isSeen) || all.find((one) => one.matches("a[href]") && !one.closest("[hidden]")); /* the folded navigation */
  };
  /* A key never sends a form, but for notes to oneself (sends): it goes to the button, and Enter presses it. */
  const use = (control, { sends }) => {
    const sending = control.matches("button:not([type=button]), input[type=submit]") && control.form?.method === "post";
    if (control.matches("summary") && !control.parentElement.open) control.click();
    control.focus();
    if (control.matches("input, textarea")) control.select?.();
    else if (!control.matches("summary, select") && (!sending || sends)) control.click();
  };
  const actionOf = (one) => {
    const found = (bound.get(one.id) || []).find(({ when }) => when());
    if (found) return found.act;
    const control = controlOf(one.id);
    return control ? () => use(control, one) : null;
  };

  /* ------------------------------------------------------------------------------------------------ help and hints */
  const cap = (name) => {
    if (name.startsWith("Mod+")) return `${mac ? "⌘" : "Ctrl"}+${name.length === 5 ? name[4].toUpperCase() : name.slice(4)}`;
    if (/^\p{Lu}$/u.test(name)) return `Shift+${name}`;
    return name === "Escape" ? "Esc" : name;
  };
  const help = () => {
    const box = $("#shortcuts");
    if (!box) return;
    for (const row of rows) {
      const one = table.get(row.dataset.shortcut);
      row.hidden = !one.keys || !(one.fixed || actionOf(one));
    }
    for (const group of $$("[data-shortcut-group]", box)) group.hidden = !$("[data-shortcut]:not([hidden])", group);
    box.showModal();
  };
  const spoken = (name) => ({ "+": "plus", " ": "Space" })[name] || cap(name).replace("Ctrl", "Control").replace("⌘", "Meta").replace("Esc", "Escape");
  const hint = (from = document) => {
    for (const control of $$("[data-key]", from)) {
      const names = control.dataset.key.split(" ").map((id) => table.get(id)?.keys).filter((keys) => keys && !keys.includes(" ")).map(spoken);
      if (names.length && isOn()) control.setAttribute("aria-keyshortcuts", names.join(" "));
      else control.removeAttribute("aria-keyshortcuts");
    }
  };

  /* ----------------------------------------------------------------------------------------------- lists: roving focus */
  const target = (row) => $("a[href]", row) || row;
  const rowsOf = (list) => [...list.children].filter((row) => !row.hidden);
  const rove = (from = document) => {
    for (const list of $$("[data-rows]", from)) {
      for (const text of $$("[data-scrolls]", list)) text.removeAttribute("tabindex"); /* its row shows it whole when it has the focus */
      if (list.contains(document.activeElement)) continue;
      rowsOf(list).forEach((row, index) => { target(row).tabIndex = index && !row.classList.contains("cur") ? -1 : 0; });
    }
  };
  const currentRow = () => document.activeElement?.closest("[data-rows] > *") || $("[data-rows] > .cur");
  const listed = () => $$("[data-rows]").flatMap(rowsOf);
  const move = (step) => {
    const all = listed();
    const now = all.indexOf(currentRow());
    const next = all[now < 0 ? 0 : Math.max(0, Math.min(all.length - 1, now + step))];
    if (next) point(next);
  };
  const point = (next) => {
    for (const row of listed()) {
      row.classList.toggle("cur", row === next);
      target(row).tabIndex = row === next ? 0 : -1;
    }
    target(next).focus();
    next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("[data-rows] > *");
    if (row && !row.classList.contains("cur")) $$("[data-rows] > *").forEach((one) => one.classList.toggle("cur", one === row));
  });
  const hasRows = () => $("[data-rows]");
  key("next-row", () => move(1), hasRows);
  key("previous-row", () => move(-1), hasRows);
  key("open-row", () => { const row = currentRow(); if (row) target(row).click(); }, hasRows);

  /* ------------------------------------------------------------------- focus survives every swap, or goes next to it */
  let had = null;
  const regionsOf = (one) => { const found = []; for (; one; one = one.parentElement) if (one.id) found.push(one.id); return found; };
  document.addEventListener("focusin", ({ target: one }) => {
    if (one === document.body || one.id === "main") return;
    const list = one.closest("[data-rows]"), row = list && rowsOf(list).findIndex((each) => each.contains(one));
    had = { one, id: one.id, tag: one.tagName, words: one.textContent, regions: regionsOf(one.parentElement), list, row };
  });
  /* An element that is taken away loses the focus before it is gone; one that was left is still there a moment later. */
  document.addEventListener("focusout", ({ target: one }) => queueMicrotask(() => { if (had?.one === one && one.isConnected) had = null; }));
  const refocus = () => {
    const lost = had && !had.one.isConnected && (!document.activeElement || document.activeElement === document.body);
    if (!lost) return;
    const region = had.regions.map((id) => document.getElementById(id)).find(Boolean) || $("#main");
    const list = had.list?.isConnected ? had.list : document.getElementById(had.list?.id || ""), rows = list ? rowsOf(list) : [];
    const same = $$(had.tag, region).find((one) => one.textContent === had.words && isSeen(one));
    const next = document.getElementById(had.id) || (rows.length ? target(rows[Math.min(had.row, rows.length - 1)]) : same);
    const place = next || $$("a[href], button, input, select, textarea, summary", region).find(isSeen) || $("#main");
    place.focus({ preventScroll: true });
  };

  /* ------------------------------------------------------------------------------------------------------- the frame */
  /* Up: the list that this was opened from, at the same row or the one in its place. */
  const kept = (name) => JSON.parse(sessionStorage.getItem(name) || "null");
  const keep = (name, facts) => sessionStorage.setItem(name, JSON.stringify(facts));
  const thing = (path) => `from:${path.split("/").slice(0, 3)}`;
  const upward = () => {
    const link = $("[data-up]") || $('#nav a[aria-current="page"]');
    return kept(thing(location.pathname)) || (link?.pathname !== location.pathname && link);
  };
  const goUp = () => { const list = upward(); keep("back", list); location.assign(list.href); };
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-rows] > *"), link = row && event.target.closest("a[href]");
    if (link) keep(thing(link.pathname), { href: location.href, place: listed().indexOf(row), opened: target(row).pathname });
  });
  addEventListener("pageshow", () => {
    const back = kept("back"), all = listed();
    if (back?.href !== location.href || !all.length) return;
    keep("back", null);
    point(all.find((row) => target(row).pathname === back.opened) || all[Math.min(back.place, all.length - 1)]);
  });
  const search = () => $("[data-search]") || $("#search");
  key("help", help, () => $("#shortcuts"));
  key("search", () => { search().focus(); search().select(); }, search);
  key("up", goUp, upward);
  for (let number = 1; number < 9; number += 1) {
    key(`tab-${number}`, () => $$("[data-tab]")[number - 1].click(), () => $$("[data-tab]").length >= number);
  }

  /* ------------------------------------------------------------------------------------------------------ the handler */
  const typing = (element) => element?.closest?.("input, textarea, select, [contenteditable], dialog[open]");
  let prefix = "", prefixTimer = 0;
  const press = (name) => {
    const keys = prefix ? `${prefix} ${name}` : name;
    const all = [...table.values()].filter(({ fixed }) => !fixed);
    const act = all.filter((one) => one.keys === keys).map(actionOf).find(Boolean);
    prefix = !act && all.some((one) => one.keys.startsWith(`${keys} `)) ? keys : "";
    clearTimeout(prefixTimer);
    if (prefix) prefixTimer = setTimeout(() => { prefix = ""; }, 1500);
    act?.();
    return Boolean(act || prefix);
  };
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    if (event.key === "Escape") {
      const menu = $("details.menu[open]");
      if (menu) { menu.open = false; $("summary", menu).focus(); }
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && event.target.form?.method === "post") {
      event.preventDefault();
      return event.target.form.requestSubmit();
    }
    if ((mac ? event.metaKey : event.ctrlKey) && event.key.toLowerCase() === "k" && !event.shiftKey && !event.altKey && !$("dialog[open]")) {
      const act = table.has("palette") && actionOf(table.get("palette"));
      if (!act) return;
      event.preventDefault();
      return act();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || $("dialog[open]")) return;
    const inList = event.target.closest("[data-rows]");
    if (inList && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      return move(event.key === "ArrowDown" ? 1 : -1);
    }
    if (isOn() && press(event.key)) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-open-shortcuts]") || !$("#shortcuts")) return;
    event.preventDefault();
    $$("details.menu[open]").forEach((menu) => { menu.open = false; });
    help();
  });

  window.portal = { key, refreshKeys: (from) => { rove(from); hint(from); refocus(); } };
})();
