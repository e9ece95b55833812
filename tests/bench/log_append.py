"""Appending to a live log up to 100,000 lines in headless Chromium: 200 lines at a time, followed at the end (UX acceptance 32).

Measured in the page itself, from the first row that is inserted to the end of the frame that shows it: rows, marks, style,
layout. Rows that the page takes out to stay below its cap are part of it. Beside it stands the processor time of the page's main
thread, with making the rows, which other work on the machine makes no longer.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.bench.browser_cost import FLAGS
from tests.bench.log_fan_out import seeded
from tests.bench.measuring import Plan, Result, percentile
from tests.bench.portal import Person, served

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

LINES, BATCH, AIM, CAP = 100_000, 200, 50, 20_000
APPEND = """async ([first, lines]) => {
  let began = 0;
  const insert = Element.prototype.insertAdjacentHTML;
  Element.prototype.insertAdjacentHTML = function (...given) { began ||= performance.now(); return insert.apply(this, given); };
  const row = (n) => `<div class="ll" id="step-apply-L${n}"><a class="ln" tabindex="-1" href="#step-apply-L${n}">${n}</a>`
    + `<span class="lt" data-t="1793000000">12:00:00</span><span class="lx">line ${n}: applied <span class="a-green">service-${n}</span> in 0.3 s</span></div>`;
  const html = Array.from({ length: lines }, (_, n) => row(first + n)).join('');
  const event = { kind: 'log', step: 'apply', attempt: 1, first, lines, html, seq: first };
  const drawn = new Promise((done) => document.addEventListener('portal:rows', done, { once: true }));
  document.dispatchEvent(new CustomEvent('portal:events', { detail: [event] }));
  await drawn;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  Element.prototype.insertAdjacentHTML = insert;
  return [performance.now() - began, document.querySelectorAll('.ll').length];
}"""


def run(plan: Plan) -> Result:
    lines = 5_000 if plan.quick else LINES
    result = Result(f"Live log in Chromium: {BATCH} lines appended at a time, up to {lines:,}")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        for what in ("p50", "p95"):
            result.add(what, 0, note="NOT RUN: there is no Chromium (apt-get install chromium)")
        return result
    times: list[float] = []
    worked: list[float] = []
    most = 0
    with served(plan.place / "log-append", PORTAL_ENGINE="none") as server:
        deployment = seeded(server)
        with Person(server, "carol") as person:
            cookies = [{"name": name, "value": value, "url": server.url} for name, value in person.cookies.items()]
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies(cookies)
            page = context.new_page()
            page.goto(f"{server.url}/deployments/{deployment}/")
            metrics = context.new_cdp_session(page)
            metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
            for first in range(1, lines, BATCH):
                before = _processor_ms(metrics)
                took, rows = page.evaluate(APPEND, [first, BATCH])
                worked.append(_processor_ms(metrics) - before)
                times.append(took)
                most = max(most, rows)
            browser.close()
    result.add("p50", percentile(times, 0.5), note=f"{len(times)} batches")
    result.add("p95", percentile(times, 0.95), aim=AIM)
    result.add("slowest", max(times))
    result.add("processor time, p50", percentile(worked, 0.5))
    result.add("processor time, p95", percentile(worked, 0.95))
    result.add("rows at most", most, unit="", aim=CAP)
    return result


def _processor_ms(metrics: CDPSession) -> float:
    """What the main thread of the page has worked so far."""
    found = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"]) * 1_000
