/* Find in all files: the form #diff-find asks the server while one types, Enter and Shift+Enter walk through the places,
 * a place opens its file only. Without scripts the form leads to a page of links. The browser's own Ctrl+F is left alone.
 */
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const form = $("[data-find]"), diff = window.portalDiff, portal = window.portal;
  if (!form || !diff) return;
  const field = $("#diff-find"), box = $("[data-find-box]", form), steps = $("[data-find-steps]", form), count = $("[data-find-count]", form);
  let asked = "", at = -1, timer = 0, request = null;

  const address = () => `${form.action}?${new URLSearchParams(new FormData(form))}`;
  const hits = () => $$("[data-hit]", box);
  const shut = () => { box.hidden = true; };
  const say = () => {
    const results = $("#find-results", box), total = Number(results?.dataset.total || 0);
    steps.hidden = !total;
    count.textContent = total ? `${at + 1}/${total}${results.dataset.more === undefined ? "" : "+"}` : "";
  };
  /* The address of this page keeps what is looked for, so that a reload and a sent link show the same. */
  const keep = () => {
    const url = new URL(location.href);
    for (const name of ["q", "case"]) url.searchParams.delete(name);
    if (field.value) url.searchParams.set("q", field.value);
    if (field.value && form.elements.case.checked) url.searchParams.set("case", "1");
    history.replaceState(history.state, "", url);
  };
  const ask = async (quiet = false) => {
    clearTimeout(timer);
    request?.abort();
    asked = address();
    at = -1;
    keep();
    if (!field.value.trim()) { box.replaceChildren(); shut(); return say(); }
    request = new AbortController();
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(asked, { headers: { "HX-Request": "true" }, credentials: "same-origin", signal: request.signal });
      if (answer.redirected || answer.status >= 500) throw new Error(String(answer.status));
      box.replaceChildren(diff.parsed(await answer.text()));
      box.hidden = quiet;
      say();
      if (!quiet) portal?.announce($("#find-title", box)?.textContent.trim());
    } catch (error) {
      if (error.name === "AbortError") return;
      box.textContent = "The search did not get an answer. Press Enter to try once more.";
      box.hidden = false;
      asked = "";
    }
    form.removeAttribute("aria-busy");
  };
  const open = async (index, focus) => {
    const all = hits();
    if (!all.length) return;
    at = (index + all.length) % all.length;
    all.forEach((hit, number) => { if (number === at) hit.setAttribute("aria-current", "true"); else hit.removeAttribute("aria-current"); });
    all[at].scrollIntoView({ block: "nearest" });
    say();
    const here = await diff.reach(all[at].hash, focus);
    if (!here) return location.assign(all[at].href);
    if (focus) shut(); else portal?.announce(`${at + 1} of ${all.length}: ${all[at].textContent.replace(/\s+/g, " ").trim()}`);
  };

  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => ask(), 250); });
  form.elements.case.addEventListener("change", () => ask());
  form.addEventListener("submit", (event) => { event.preventDefault(); if (asked !== address()) ask(); else open(at + 1, false); });
  field.addEventListener("keydown", async (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      if (asked !== address()) await ask();
      open(event.shiftKey ? (at < 0 ? 0 : at) - 1 : at + 1, false);
    } else if (event.key === "ArrowDown" && hits().length) {
      event.preventDefault();
      hits()[Math.max(at, 0)].focus();
    }
  });
  box.addEventListener("keydown", (event) => {
    const all = hits(), now = all.indexOf(document.activeElement), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || now < 0) return;
    event.preventDefault();
    (now + step < 0 ? field : all[Math.min(now + step, all.length - 1)]).focus();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.hidden) return;
    event.preventDefault();
    shut();
    const line = $(".dt tr.at td.n a");
    if (at >= 0 && line) line.focus(); else field.focus();
  });
  form.addEventListener("click", (event) => {
    const step = event.target.closest("[data-find-step]"), hit = event.target.closest("[data-hit]");
    if (step) open(at < 0 && step.dataset.findStep === "-1" ? -1 : at + Number(step.dataset.findStep), false);
    if (!hit || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(hits().indexOf(hit), true);
  });
  field.addEventListener("focus", () => { if (box.childNodes.length && field.value) box.hidden = false; });
  document.addEventListener("click", (event) => { if (!form.contains(event.target)) shut(); });
  portal.key("search", () => { field.focus(); field.select(); });
  if (field.value) ask(true);
})();
