"""A log of 100,000 lines in Chromium: never more rows than a browser carries, what is read stays, and no cut costs a line."""

from __future__ import annotations

import threading

import httpx
import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from tests.support.sockets import log_event
from tests.support.watching import IN_CHROMIUM, VIEW, Scene, wait_until

pytestmark = IN_CHROMIUM
CAP, CUTS, BATCH = 20_000, 20, 200
ROWS = "document.querySelectorAll('.log-view .ll').length"
KEEP = """() => {
  window.kept = [];
  document.addEventListener('portal:events', ({ detail }) => {
    for (const { kind, html } of detail) {
      if (kind !== 'log') continue;
      const box = new DOMParser().parseFromString(html, 'text/html');
      for (const row of box.querySelectorAll('.ll')) window.kept.push(`${row.id} ${row.querySelector('.lx').textContent}`);
    }
  });
}"""
SHOWN = """[...document.querySelectorAll('.log-view .ll')].map((row) => `${row.id} ${row.querySelector('.lx').textContent}`)"""


class Writer:
    """A worker that prints ``lines`` lines while the test looks on."""

    def __init__(self, scene: Scene, lines: int) -> None:
        self.first = scene.lines + 1
        self.last = scene.lines + lines
        self.written = scene.lines
        self._scene = scene
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        for first in range(self.first, self.last + 1, BATCH):
            log_event(self._scene.row, first, min(BATCH, self.last - first + 1))
            self.written = min(self.last, first + BATCH - 1)
        connections.close_all()

    def join(self) -> None:
        self._thread.join()
        self._scene.lines = self.last
        assert self.written == self.last


def at_end(page: Page) -> bool:
    return bool(page.evaluate(f"{VIEW}.scrollHeight - {VIEW}.scrollTop - {VIEW}.clientHeight < 24"))


def test_acceptance_32_the_end_is_followed_until_one_reads_and_the_rows_stay_below_the_cap(scene: Scene) -> None:
    scene.run()
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    writer = Writer(scene, CAP + 3_000)
    writer.join()
    wait_until(page, f"document.getElementById('step-apply-L{CAP + 3_000}')", 60)
    assert page.evaluate(ROWS) <= CAP
    assert at_end(page)
    expect(page.locator(".log-gap.log-cut")).to_have_count(1)
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")

    page.evaluate(f"{VIEW}.scrollTop = 3000")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    place = page.evaluate(f"[{VIEW}.scrollTop, {VIEW}.querySelector('.ll').getBoundingClientRect().top]")
    writer = Writer(scene, 3_000)
    writer.join()
    expect(page.locator(".log-more")).to_contain_text("3000 new lines", timeout=60_000)
    assert page.evaluate(f"[{VIEW}.scrollTop, {VIEW}.querySelector('.ll').getBoundingClientRect().top]") == place
    assert page.evaluate(ROWS) <= CAP, "also for who reads further up"
    page.locator(".log-more button").click()
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
    assert at_end(page)


@pytest.mark.soak
def test_acceptance_14_and_32_a_hundred_thousand_lines_and_twenty_cuts_end_as_a_reload(scene: Scene) -> None:
    lines = 100_000
    scene.run()
    page = scene.open()
    page.evaluate(KEEP)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    writer = Writer(scene, lines)
    most = 0
    for cut in range(1, CUTS + 1):
        wait_until(
            page, f"window.kept.length >= {cut * lines // (CUTS + 1)}", 120
        )  # in the middle of what the page gets
        wait_until(page, "opened.at(-1).readyState === 1", 60)
        page.evaluate("opened.at(-1).close()")
        most = max(most, page.evaluate(ROWS))
    writer.join()
    wait_until(page, f"document.getElementById('step-apply-L{lines}')", 300)
    wait_until(page, f"opened.length > {CUTS}")
    kept, shown = page.evaluate("window.kept"), page.evaluate(SHOWN)
    assert len(kept) == lines
    assert kept == [f"step-apply-L{number} line {number}" for number in range(1, lines + 1)], "no gap, none twice"
    assert max(most, len(shown)) <= CAP
    page.reload()
    again = page.evaluate(SHOWN)
    assert len(again) == 2_100
    assert again == kept[:100] + kept[-2_000:]
    assert shown[-2_000:] == again[-2_000:]
    raw = httpx.get(
        f"http://127.0.0.1:{scene.port}/deployments/{scene.row.number}/log/", headers={"Cookie": scene.cookie}
    )
    assert raw.text.splitlines() == [row.partition(" ")[2] for row in kept]
