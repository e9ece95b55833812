/* What htmx may put into a page, and what stays as it is.
 *
 * An answer without the part that was asked for (an error, a proxy's own page) takes the place of nothing: it is as good as none, an htmx:error.
 * Regions that refresh themselves at a notice, [hx-trigger^="portal:"], are live.js's affair; for any other part it is told, until the part comes.
 * Everything that htmx sends is a GET: forms that write are sent as pages, and their refusals (422, 409) are pages too.
 */
(() => {
  "use strict";
  /* What is written over holds the part by its id; what only takes a place (rows for a gap, the next files) is at least no whole page. */
  const holds = ({ response, text, target, swap }) => response.status < 400
    && (swap === "outerMorph" ? text.includes(`id="${target.id}"`) : !/^\s*<(?:!doctype|html)\b/i.test(text));
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.hx.redirect || ctx.target === document.body) return; /* to the sign-in; a page that comes from the history */
    if (holds(ctx)) return takeBack(event.target);
    event.preventDefault();
    event.target.dispatchEvent(new CustomEvent("htmx:error", { bubbles: true, detail: { ctx } }));
  });

  let told = null; /* what failed last, and the box that says so */
  const takeBack = (source) => { if (told?.source === source) { told.box.remove(); told = null; } };
  const complain = (source, text) => {
    if (told?.source === source && told.box.isConnected && source.matches("[hx-trigger^='every']")) return; /* it asks again by itself: said once */
    const box = document.createElement("div"), words = document.createElement("div");
    box.className = "alert-box alert-box--bad";
    box.setAttribute("role", "alert");
    words.className = "alert-text";
    words.textContent = text;
    box.append(words);
    document.getElementById("messages")?.replaceChildren(box);
    told = { source, box };
  };
  const reasonOf = ({ response, text }) => new DOMParser().parseFromString(text, "text/html").querySelector("#refused > p:not([class])")?.textContent.trim()
    || `The server answered with ${response.status < 400 ? "another page" : `an error (${response.status})`}.`;
  document.addEventListener("htmx:error", ({ target, detail }) => {
    if (target.getAttribute?.("hx-trigger")?.startsWith("portal:")) return;
    complain(target, detail.ctx?.response
      ? `A part of this page could not be loaded. ${reasonOf(detail.ctx)} What is shown stays as it was; try again.`
      : "The server could not be reached. Nothing was changed; what you typed is still here. Try again.");
  });

  /* What somebody has opened or closed stays so, whatever is written over it. */
  window.htmx.registerExtension("folds", { htmx_before_morph_attr: (element, { attrName }) => !(attrName === "open" && element.tagName === "DETAILS") });
})();
