/* The queue, the inbox and other lists that are refreshed, beyond plain HTML: what is held back while one works in a list, ticks, folded sections.
 *
 * Markup it reads: [data-updates]: a region, and whose notices it waits for; [data-show-updates] in it, or one for the page; [data-stamp]: what a row (or what
 * stands beside the rows) says, different for each; its id is its place. [form="queue-chosen"], [data-act], details[data-fold], a[data-reads]. From live.js: portal:held on document, when a refresh waits for the person.
 */
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const rowOf = (element) => element?.closest?.("[data-rows] > *");
  const remember = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`; };

  /* ------------------------------------------------------------------------ nothing moves under pointer or focus */
  const buttonOf = (region) => $("[data-show-updates]", region) || $$("[data-show-updates]").find((one) => !one.closest("[data-updates]")); /* after a swap it may be another one */
  let counting = 0, asked = "";
  const stamps = (from) => new Map($$("[data-stamp]", from).map((row) => [row.id, row.dataset.stamp]));
  const differences = (now, then) => {
    const said = new Set(then.values());
    return [...now.values()].filter((stamp) => !said.has(stamp)).length + [...then.keys()].filter((id) => !now.has(id)).length;
  };
  const count = async (here) => {
    if (!buttonOf(here)) return;
    const answer = await fetch(here.getAttribute("hx-get"), { headers: { "HX-Request": "true" }, redirect: "manual" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const number = differences(stamps(fresh), stamps(here)), show = buttonOf(here);
    if (!number || !show) return;
    const text = `${number} update${number > 1 ? "s" : ""} – Show`;
    if (show.textContent !== text) window.portal.announce(`${number} update${number > 1 ? "s" : ""} in ${here.dataset.updates === "queue" ? "your queue" : "this list"}.`);
    show.textContent = text;
    show.hidden = false;
  };
  document.addEventListener("portal:held", ({ detail }) => {
    const busy = () => detail.busy().filter((one) => one.dataset.updates === detail.kind);
    if (!counting && busy().length) counting = setTimeout(() => { counting = 0; for (const one of busy()) count(one).catch(() => {}); }, 300);
  });
  let last = null; /* the row that had the focus, to give it back after the button is gone */
  document.addEventListener("focusin", ({ target }) => { if (rowOf(target)) last = { id: rowOf(target).id, stamp: rowOf(target).dataset.stamp }; });
  const lastRow = () => last && ($$("[data-rows] > [data-stamp]").find((row) => row.dataset.stamp === last.stamp) || document.getElementById(last.id));
  const focusRow = (row) => { const place = row && ($("a[href]", row) || row); if (place) { place.tabIndex = 0; place.focus(); } return Boolean(place); };
  document.addEventListener("click", ({ target }) => {
    if (!target.closest?.("[data-show-updates]")) return;
    const here = target.closest("[data-updates]") || $("[data-updates]");
    document.dispatchEvent(new CustomEvent("portal:apply", { detail: here.dataset.updates }));
    asked = here.id;
  });

  /* ------------------------------------------------------------------------------ ticks outlive a swap; the number */
  const ticked = new Set();
  const ticks = () => $$("[form=queue-chosen][name=change]");
  const tell = () => {
    const box = $("[data-chosen]");
    if (box) box.textContent = ticked.size ? `With ${ticked.size} ticked:` : "With the ticked changes:";
  };
  const readTicks = () => { ticked.clear(); ticks().filter((box) => box.checked).forEach((box) => ticked.add(box.value)); tell(); };
  document.addEventListener("change", ({ target }) => { if (target.form?.id === "queue-chosen") readTicks(); });

  document.addEventListener("htmx:after:swap", ({ target }) => {
    if (!$("[data-updates]")) return;
    ticks().forEach((box) => { box.checked = ticked.has(box.value); });
    readTicks();
    const show = target.matches?.("[data-updates]") && buttonOf(target);
    if (!show) return;
    const back = document.activeElement === show || (asked === target.id && document.activeElement === document.body);
    show.hidden = true;
    if (asked === target.id) asked = "";
    if (back && !focusRow(lastRow())) $("h2", target)?.closest("summary, section")?.focus?.();
  });

  /* ------------------------------------------------------------------------------------------------------- the keys */
  const current = () => rowOf(document.activeElement) || $("[data-rows] > .cur");
  const tick = () => $("[name=change]", current() || document.createElement("div"));
  const bind = (id, act, when) => window.portal?.key?.(id, act, when);
  bind("select", () => tick().click(), tick);
  for (const act of ["snooze", "hand-over"]) {
    const link = () => $(`[data-act="${act}"]`, current() || document.createElement("div"));
    const submit = () => $(act === "snooze" ? "#queue-chosen [formaction]" : "#queue-chosen button:not([formaction])");
    bind(act, () => (ticked.size ? submit().click() : link().click()), () => (ticked.size ? submit() : link()));
  }

  /* -------------------------------------------------------------------- what this browser closed; where its clock is */
  document.addEventListener("toggle", ({ target }) => {
    if (!target.dataset?.fold) return;
    remember("folds", $$("[data-fold]").map((one) => `${one.dataset.fold}.${one.open ? 0 : 1}`).join("-"));
  }, true);
  remember("zone", encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC"));

  /* ------------------------------------------------------------------------------------- following a row reads it */
  document.addEventListener("click", ({ target }) => {
    const link = target.closest?.("a[data-reads]");
    const token = $("[name=csrfmiddlewaretoken]");
    if (!link || !token) return;
    fetch("/inbox/mark/", { method: "POST", keepalive: true, body: new URLSearchParams({ row: link.dataset.reads, csrfmiddlewaretoken: token.value }) }).catch(() => {});
  });

  readTicks();
})();
