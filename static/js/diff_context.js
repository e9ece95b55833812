// More lines around a change, put between the rows. <tr class="h" data-gap="OLD,NEW,SIZE"> stands where lines are left
// out (SIZE -1: up to the end of the file); its links a.ex open the file alone with more context where no script runs.
// The answer of data-context-url (old, new, count) is a <tbody> of rows; fewer rows than asked for: the file has ended.
(() => {
  "use strict";
  const diff = window.portalDiff;
  const root = () => document.querySelector("[data-context-url]");
  if (!diff || !root()) return;
  const STEP = 20, MOST = 5000;

  function address(row, old, fresh, count) {
    const url = new URL(root().dataset.contextUrl.replace("{id}", row.closest(".df").dataset.file), location.href);
    for (const [name, value] of Object.entries({ old, new: fresh, count })) url.searchParams.set(name, value);
    return url;
  }

  function shrink(row, old, fresh, left) {
    if (left) {
      row.dataset.gap = `${old},${fresh},${left}`;
      const all = row.querySelector('.ex[data-take="all"]');
      if (left > 0 && all) all.textContent = left > STEP ? `all ${left.toLocaleString("en")} lines` : `Show ${left} ${left === 1 ? "line" : "lines"}`;
      if (left > 0 && left <= STEP) row.querySelectorAll('.ex:not([data-take="all"])').forEach((link) => link.remove());
    } else if (row.parentElement.matches(".ce")) row.remove();
    else {
      delete row.dataset.gap;
      row.querySelectorAll(".ex").forEach((link) => link.remove());
    }
  }

  // take: "down" (after the change above), "up" (before the change below), "all". Resolves to the rows that came.
  function expand(row, take) {
    const [old, fresh, size] = row.dataset.gap.split(",").map(Number);
    const most = take === "all" ? MOST : STEP;
    const count = size < 0 ? most : Math.min(size, most);
    const skip = take === "up" && size > 0 ? size - count : 0;
    return diff.once(row, async () => {
      const rows = [...diff.parsed(await diff.fetched(address(row, old + skip, fresh + skip, count))).querySelectorAll("tr")];
      if (take === "up") row.after(...rows);
      else row.before(...rows);
      const left = size < 0 ? (rows.length < count ? 0 : -1) : size - count;
      if (take === "up") shrink(row, old, fresh, left);
      else shrink(row, old + rows.length, fresh + rows.length, left);
      window.portal.announce(rows.length === 1 ? "1 line more is shown." : `${rows.length} lines more are shown.`);
    });
  }

  document.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest?.("a.ex");
    const row = link?.closest("tr[data-gap]");
    if (!row || row.dataset.state === "failed") return;
    event.preventDefault();
    const neighbour = (link.dataset.take === "up" ? row.nextElementSibling : row.previousElementSibling)?.querySelector("a");
    expand(row, link.dataset.take).then(() => { if (!link.isConnected) (neighbour || row.closest(".df")?.querySelector("h3"))?.focus(); });
  });

  // The gaps before and after where one is: above the change, its last lines; below, its first.
  function around() {
    const at = diff.here();
    const section = at?.closest(".df") || document.querySelector("[data-rows-url] .df");
    const gaps = [...(section?.querySelectorAll("tr[data-gap]") || [])];
    const follows = (row) => at && Boolean(at.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING);
    const above = gaps.filter((row) => !follows(row)).pop();
    const below = gaps.find(follows);
    if (above) expand(above, above.dataset.gap.endsWith(",-1") ? "down" : "up");
    if (below) expand(below, "down");
  }
  window.portal.key("expand", around, () => document.querySelector("tr[data-gap]"));
})();
