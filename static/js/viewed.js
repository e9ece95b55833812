/* Viewed marks without leaving the page. Without scripts every button sends the one form and comes back to the file.
 *
 * A heading's button is <button class="vw" form="viewed-form" name="file|unview" value="ID" aria-pressed>; the answer of the
 * form to a script is the progress. The same state stands in the file list: <span class="mk" data-mark="viewed|changed">.
 */
(() => {
  "use strict";
  const form = document.getElementById("viewed-form");
  if (!form) return;
  const portal = window.portal;

  const show = (button, pressed) => {
    button.setAttribute("aria-pressed", pressed);
    button.name = pressed ? "unview" : "file";
    if (button.nextElementSibling?.matches(".vw-changed")) button.nextElementSibling.remove();
    const row = document.querySelector(`#diff-files a[href$="#f-${button.value}"]`)?.closest("li");
    if (!row) return;
    row.querySelector(".mk")?.remove();
    if (!pressed) return;
    const mark = document.createElement("span"), sign = document.createElement("span"), words = document.createElement("span");
    mark.className = "mk";
    mark.dataset.mark = "viewed";
    sign.setAttribute("aria-hidden", "true");
    sign.textContent = "✓";
    words.className = "sr";
    words.textContent = "viewed";
    mark.append(sign, words);
    row.querySelector("a")?.append(mark);
  };

  const refuse = (text) => {
    portal?.announce(text);
    const box = document.getElementById("viewed-progress");
    if (box) box.lastElementChild.textContent = text;
  };

  async function toggle(button) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    const pressed = button.getAttribute("aria-pressed") !== "true";
    try {
      const body = new URLSearchParams(new FormData(form));
      body.append(button.name, button.value);
      const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" }, credentials: "same-origin" });
      if (answer.headers.get("HX-Redirect")) return location.assign(answer.headers.get("HX-Redirect"));
      if (!answer.ok) throw new Error(String(answer.status));
      show(button, pressed);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const progress = page.getElementById("viewed-progress");
      if (progress) document.getElementById("viewed-progress")?.replaceWith(document.adoptNode(progress));
      portal?.announce(progress?.textContent.trim());
      document.dispatchEvent(new CustomEvent("portal:viewed", { detail: { file: button.value, viewed: pressed } }));
    } catch {
      refuse("The mark was not saved. Try again, or load the page anew.");
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.vw");
    if (!button || button.form !== form) return;
    event.preventDefault();
    toggle(button);
  });

  /* ------------------------------------------------------------------------------------------------------- keys */
  const top = () => [...document.querySelectorAll(".df")].find((one) => one.getBoundingClientRect().bottom > 160);
  const here = () => document.querySelector(".dt tr.at")?.closest(".df") || document.activeElement?.closest?.(".df") || top();
  const buttonOf = (one) => one?.querySelector(":scope > .fh button.vw");
  const mark = () => { const button = buttonOf(here()); if (button) toggle(button); };
  const markAndNext = async () => {
    const current = here();
    const button = buttonOf(current);
    if (button && button.getAttribute("aria-pressed") !== "true") await toggle(button);
    const all = [...document.querySelectorAll(".df")];
    const start = all.indexOf(current) + 1;
    const next = [...all.slice(start), ...all.slice(0, start)].find((one) => buttonOf(one)?.getAttribute("aria-pressed") === "false");
    if (!next) return portal?.announce("Every file is viewed.");
    document.querySelectorAll(".dt tr.at").forEach((row) => row.classList.remove("at"));
    const heading = next.querySelector("h3");
    heading.scrollIntoView({ block: "start" });
    heading.focus({ preventScroll: true });
  };
  /* What was loaded goes along with a review: "ab12" all rows of the file, "ab12+" only some. */
  const openFiles = () => [...document.querySelectorAll('.df[data-state="open"]')];
  document.addEventListener("submit", ({ target }) => {
    const field = target.id === "review-form" && target.elements.displayed;
    if (field) field.value = openFiles().map((one) => one.dataset.file + (one.querySelector("tbody.mr") ? "+" : "")).join(" ");
  }, true);

  portal?.key("viewed", mark);
  portal?.key("viewed-next", markAndNext);
})();
