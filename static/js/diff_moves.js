// Hints on moved blocks: <li data-move data-old="f-…-L12" data-new="f-…-R40"> of #diff-moves says what moved where; the
// same words stand in a row of their own before the first line of both places, as soon as that line is on the page.
(() => {
  "use strict";
  const rows = () => document.querySelector("[data-rows-url]");
  if (!rows()) return;
  const put = (id, item, lead, link) => {
    const row = document.getElementById(id)?.closest("tr");
    if (!row || row.previousElementSibling?.dataset.hint === id) return;
    const hint = document.createElement("tr"), cell = document.createElement("td");
    hint.className = "mv";
    hint.dataset.hint = id;
    cell.colSpan = row.closest("table").matches(".sp") ? 6 : 4;
    cell.append(`${lead} `, link.cloneNode(true));
    const words = item.querySelector("b");
    if (words) cell.append(", ", words.cloneNode(true));
    hint.append(cell);
    row.before(hint);
  };
  const place = () => {
    for (const item of document.querySelectorAll("#diff-moves [data-move]")) {
      const [from, to] = item.querySelectorAll("a");
      const inPlace = item.dataset.move === "in-place";
      put(item.dataset.old, item, inPlace ? "The same lines follow at" : "Moved to", to);
      put(item.dataset.new, item, inPlace ? "The same lines as at" : "Moved from", from);
    }
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#diff-moves li a, tr.mv a");
    const section = link && document.getElementById(link.hash.slice(1).split("-").slice(0, 2).join("-"));
    if (!section || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (location.hash === link.hash) location.hash = "";
    location.hash = link.hash;
  });
  document.addEventListener("htmx:after:swap", place);
  document.addEventListener("diff:rows", place);
  place();
})();
