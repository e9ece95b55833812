/* Ctrl+K (⌘K): pages, parts and actions by a few letters; “.” shows the actions alone, the next step first.
 * Entries are what the page offers already: choosing a link follows it, choosing a button only goes there: it may send.
 */
(() => {
  "use strict";
  const { key } = window.portal;
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const box = $("#palette");
  if (!box) return;
  const field = $("input[type=search]", box), list = $("ul", box), count = $("[data-count]", box);
  const ACTIONS = "main .page-actions :is(a[href], button)";
  const GROUPS = [["Action", ACTIONS], ["Part", "[data-tab]"], ["Page", "#nav a"], ["You", ".top .menu-list :is(a[href], button)"]];
  const rank = (one) => (one.matches(".btn-primary") ? 0 : one.closest("details") ? 2 : 1); /* the next step, then the rest */
  const words = (one) => one.textContent.replace(/\s+/g, " ").trim();
  let entries = [];

  const choose = (one) => {
    box.close();
    if (one.matches("a[href]")) return one.click();
    for (let menu = one.closest("details"); menu; menu = menu.parentElement.closest("details")) menu.open = true;
    one.focus();
  };
  const entry = (kind, one) => {
    const item = document.createElement("li"), button = document.createElement("button"), note = document.createElement("span");
    button.type = "button";
    button.className = "palette-entry";
    note.className = "muted";
    note.textContent = kind;
    button.append(words(one), " ", note);
    button.addEventListener("click", () => choose(one));
    item.append(button);
    return item;
  };
  const narrow = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of entries) item.hidden = !wanted.every((word) => item.textContent.toLowerCase().includes(word));
    const left = shown().length;
    count.textContent = left ? `${left} found` : "Nothing here has this name. Enter searches the changes for it.";
  };
  const shown = () => entries.filter((item) => !item.hidden).map((item) => item.firstChild);
  const open = (only) => {
    const groups = only ? GROUPS.slice(0, 1) : GROUPS;
    const seen = new Set([$("[data-open-palette]")]);
    entries = groups.flatMap(([kind, selector]) => $$(selector).sort((one, other) => rank(one) - rank(other)).filter((one) => {
      const fresh = words(one) && !seen.has(one) && !seen.has(words(one)) && !one.closest("[hidden], dialog");
      return fresh && seen.add(one).add(words(one));
    }).map((one) => entry(kind, one)));
    list.replaceChildren(...entries);
    field.value = "";
    narrow();
    box.showModal();
    (only && shown()[0] || field).focus();
  };

  field.addEventListener("input", narrow);
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const all = shown(), now = all.indexOf(document.activeElement);
    if (event.key === "ArrowDown") (all[now + 1] || all[0])?.focus();
    else if (event.key === "ArrowUp") (now > 0 ? all[now - 1] : field).focus();
    else if (event.key === "Enter" && event.target === field && field.value.trim() && all.length) all[0].click();
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-open-palette]")) return;
    event.preventDefault();
    $$("details.menu[open]").forEach((menu) => { menu.open = false; });
    open(false);
  });
  key("palette", () => open(false));
  key("actions", () => open(true), () => $(ACTIONS));
})();
