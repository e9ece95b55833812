/* How a deployment ends, or that it needs a decision, for who does not look at it: spoken, as a sign in title and icon, and, if asked for, as a notification of the browser.
 *
 * Markup: link#favicon[data-succeeded][data-failed][data-unknown][data-cancelled][data-running]; header.thing-head[data-status];
 * [data-notify] the button that switches notifications on, remembered in this browser; off until somebody presses it.
 */
(() => {
  "use strict";
  const icon = document.getElementById("favicon"), KEY = "notify:deployments";
  const SIGNS = { pending: "◔", dispatching: "◐", running: "◐", succeeded: "✓", failed: "✕", unknown: "?", cancelled: "–" };
  const ENDS = { succeeded: "has succeeded", failed: "has failed", cancelled: "was cancelled", unknown: "needs a decision: nobody knows how it ended" };
  const DECIDED = { manual: "needs a decision: somebody presses Start", gate: "needs a decision: approval is missing" };

  const show = (status) => {
    const sign = SIGNS[status];
    if (!sign) return;
    document.title = document.title.replace(/^(\(\d+\) )?(?:[◔◐✓✕?–] )?/, (_, count) => `${count || ""}${sign} `);
    if (icon) icon.href = icon.dataset[status] || icon.dataset.running;
  };

  /* ------------------------------------------------------------------------------------------------- notifications */
  const can = "Notification" in window;
  const isOn = () => can && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
  const paint = () => {
    const button = can && document.querySelector("[data-notify]");
    if (!button) return;
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isOn()));
  };
  const toggle = async () => {
    if (isOn()) localStorage.removeItem(KEY);
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
    else return window.portal.announce("This browser allows the portal no notifications. Its settings for this site can change that.");
    paint();
    window.portal.announce(isOn() ? "This browser tells you when a deployment that is open in a tab ends or needs a decision." : "Notifications are off.");
  };
  const words = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;
  let said = "";
  const tell = (what, text) => {
    if (said === what) return;
    said = what;
    window.portal.announce(text);
    if (!isOn() || (document.visibilityState === "visible" && document.hasFocus())) return;
    try {
      const note = new Notification(`${document.querySelector("h1").textContent.replace(/\s+/g, " ").trim()} ${what}`, { body: text, tag: location.pathname });
      note.addEventListener("click", () => { window.focus(); note.close(); });
    } catch { /* some phones allow it to service workers alone; the title has the sign */ }
  };

  document.addEventListener("portal:events", ({ detail }) => {
    for (const { kind, data, text } of detail) {
      if (kind !== "state") continue;
      show(data.status);
      const wait = data.waits?.find(({ code }) => DECIDED[code]);
      if (ENDS[data.status]) tell(ENDS[data.status], words(text));
      else if (wait) tell(DECIDED[wait.code], wait.text);
      else said = "";
    }
  });
  const look = () => { show(document.querySelector("header.thing-head")?.dataset.status); paint(); };
  document.addEventListener("htmx:after:swap", look);
  document.addEventListener("click", ({ target }) => { if (target.closest?.("[data-notify]")) toggle(); });
  look();
})();
