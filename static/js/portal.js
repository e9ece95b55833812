/* What pages do beyond plain HTML. Everything here is an addition: without it every page still works.
 *
 * One delegated listener per kind of event, so that swapped-in HTML needs no wiring.
 * Markup it reads: form[data-once], textarea[data-draft], body[data-owner]: who is signed in, body[data-time-zone], time[data-relative], [data-dismiss], .toasts, [data-focus], #live.
 * The keyboard is keys.js, which comes before.
 */
(() => {
  "use strict";
  const root = document.documentElement;
  const { key, refreshKeys } = window.portal;
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

  /* ---------------------------------------------------------------- announcements: one region, merged, unhurried */
  const waiting = new Map();
  let speaking = 0;
  const speak = () => {
    speaking = 0;
    if (!waiting.size) return;
    $("#live").textContent = [...waiting.values()].join(" ");
    waiting.clear();
    speaking = setTimeout(speak, 5000);
  };
  const announce = (text, about = text) => { /* of what is told about one thing while it waits, the first is spoken */
    if (!text || waiting.has(about)) return;
    waiting.set(about, text);
    if (!speaking) speaking = setTimeout(speak, 150);
  };

  /* --------------------------------------------------------------------------------------------- relative times */
  const units = [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const relative = (seconds) => {
    const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) || [1, "second"];
    return unit === "second" ? (seconds < 0 ? "in under a minute" : "just now") : words.format(-Math.trunc(seconds / size), unit);
  };
  const shortenTimes = (from = document) => {
    for (const time of $$("time[data-relative]", from)) {
      const moment = Date.parse(time.dateTime);
      if (Number.isNaN(moment)) continue;
      if (!time.title) time.title = time.textContent.trim();
      const ago = relative((Date.now() - moment) / 1000), text = time.dataset.relative === "since" ? ago.replace(/ ago$/, "") : ago;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  /* Whose clock the page shows; UTC where this browser does not know the zone. */
  const timeZone = (() => {
    const named = document.body.dataset.timeZone;
    try { Intl.DateTimeFormat("en", { timeZone: named }); return named; } catch { return "UTC"; }
  })();

  /* ----------------------------------------------------------------------------------------------------- drafts */
  /* What was typed is its author's alone: in the same tab it waits for them while nobody is signed in, and is gone once somebody else is. */
  const owner = document.body.dataset.owner || "";
  const isForeign = (name) => name.startsWith("draft:") && !name.startsWith(`draft:${owner}:`);
  if (owner) Object.keys(sessionStorage).filter(isForeign).forEach((name) => sessionStorage.removeItem(name));
  const draftKey = (field) => `draft:${owner}:${field.dataset.draft || `${location.pathname}:${field.form?.getAttribute("action") || ""}`}:${field.name}`;
  const restoreDrafts = (from = document) => {
    for (const field of $$("textarea[name]", from)) {
      if (field.dataset.restored !== undefined) continue;
      field.dataset.restored = "";
      const kept = sessionStorage.getItem(draftKey(field));
      if (kept && !field.value) {
        field.value = kept;
        announce("Your draft was restored.");
      }
    }
  };
  document.addEventListener("input", ({ target }) => {
    if (!(target instanceof HTMLTextAreaElement) || !target.name) return;
    if (target.value) sessionStorage.setItem(draftKey(target), target.value);
    else sessionStorage.removeItem(draftKey(target));
  });
  const draftsOf = (form) => $$("textarea[name]", form).map(draftKey);
  const forget = (keys) => keys.forEach((key) => sessionStorage.removeItem(key));
  /* What was sent is forgotten on the next page, unless that page is a refusal or asks for a sign-in: then it is still needed. */
  const settleSent = () => {
    const sent = sessionStorage.getItem("sent");
    sessionStorage.removeItem("sent");
    if (sent && !$(".error-box, .field-error, .alert-box--bad, [data-keep-drafts]")) forget(JSON.parse(sent));
  };

  /* ---------------------------------------------------------------------------------- a form is sent once, and says so */
  const release = (form) => {
    delete form.dataset.sending;
    for (const button of $$("[data-idle]", form)) {
      button.textContent = "";
      button.append(...(button.idle || [button.dataset.idle]));
      button.removeAttribute("aria-busy");
      delete button.dataset.idle;
    }
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sending) return event.preventDefault();
    const button = event.submitter;
    if (button?.getAttribute("aria-disabled") === "true") {
      event.preventDefault();
      const reason = document.getElementById(button.getAttribute("aria-describedby"));
      reason?.scrollIntoView({ block: "center" });
      return announce(reason?.textContent.trim() || "This is not possible now.");
    }
    form.dataset.sending = "1";
    sessionStorage.setItem("sent", JSON.stringify(draftsOf(form)));
    if (!button || button.name || form.hasAttribute("data-quiet")) return;
    button.dataset.idle = button.textContent.trim();
    button.idle = [...button.childNodes];
    button.setAttribute("aria-busy", "true");
    button.textContent = button.dataset.busy || "Working…";
  }, true);
  addEventListener("pageshow", () => $$("form[data-sending]").forEach(release));

  /* ------------------------------------------------------------------- htmx: forms, swaps; failures: swaps.js */
  document.addEventListener("htmx:after:request", (event) => {
    const form = event.target.closest?.("form");
    if (!form) return;
    release(form);
    if ((event.detail?.ctx?.response?.status || 500) < 300) forget(draftsOf(form));
  });
  document.addEventListener("htmx:error", ({ target }) => {
    const form = target.closest?.("form");
    if (form) release(form);
  });

  /* ------------------------------------------------------------------------------------------ confirmations leave */
  const dismiss = (box) => {
    if (box.contains(document.activeElement)) $("#main").focus({ preventScroll: true });
    box.remove();
  };
  const leave = (box) => setTimeout(() => (document.hidden || box.matches(":hover, :focus-within") ? leave : dismiss)(box), 10000);

  const refresh = (from) => {
    shortenTimes(from);
    restoreDrafts(from);
    $$("[data-dismiss]", from).forEach((button) => { button.hidden = false; });
    const first = $("[data-focus]:not([data-focused])", from); /* once: a later swap elsewhere moves no focus */
    if (first) { first.dataset.focused = ""; first.focus(); }
    refreshKeys(from);
  };
  document.addEventListener("htmx:after:swap", () => refresh(document));
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-dismiss]")) dismiss(target.closest(".alert-box"));
    for (const menu of $$("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  });

  document.addEventListener("portal:announce", (event) => announce(event.detail));

  /* ------------------------------------------------------------------------------------------------------------ start */
  settleSent();
  refresh(document);
  for (const text of $$(".toasts .alert-text")) { announce(text.textContent.trim()); leave(text.parentNode); }
  setInterval(() => shortenTimes(), 30000);
  window.portal = Object.freeze({ key, announce, refresh, timeZone });
})();
