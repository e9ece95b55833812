"""What is wrong with a page, as far as a machine can tell: accessibility, width, complaints."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, StorageState

from tests.support.browsing import WATCH_POLICY, Complaints

AXE = (Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js").read_text
# WCAG 2.5.8 excepts targets whose size is "constrained by the line-height of non-target text": a line number is as
# high as its line of code. axe knows the exception only inside of a sentence, so it is told where this holds.
LINE_NUMBERS = ".dt td.n a, a.ln"
RULES = """async (lines) => {
  const found = await axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations']});
  const said = [];
  for (const {id, nodes} of found.violations) {
    const left = nodes.filter((node) => id !== 'target-size' || !document.querySelector(node.target.at(-1))?.matches(lines));
    if (left.length) said.push(`${id}: ${left.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message || ''}`).join('; ')}`);
  }
  return said;
}"""
BEYOND = """() => {
  const beyond = document.documentElement.scrollWidth - innerWidth;
  if (beyond <= 0) return '';
  const widest = [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1).at(-1);
  return `${beyond} px wider than the screen${widest ? `, by ${widest.tagName} ${widest.className}` : ''}`;
}"""


def tool_for(page: Page) -> None:
    """Load axe past the page's own policy, which would rightly refuse it."""
    page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": AXE()})


def problems_of(page: Page) -> list[str]:
    """Violations of WCAG A and AA, and whether the page scrolls sideways."""
    tool_for(page)
    beyond: str = page.evaluate(BEYOND)
    violations: list[str] = page.evaluate(RULES, LINE_NUMBERS)
    return [*([beyond] if beyond else []), *violations]


def walk(
    browser: Browser, base_url: str, pages: list[str], *, look: dict[str, str], width: int, state: StorageState | None
) -> dict[str, list[str]]:
    """Address → what is wrong with it, in one look (cookies) and width; pages without a problem are left out."""
    context = browser.new_context(
        base_url=base_url, viewport={"width": width, "height": 900}, storage_state=state, reduced_motion="reduce"
    )
    context.add_init_script(WATCH_POLICY)
    for name, value in look.items():
        context.add_cookies([{"name": name, "value": value, "url": base_url}])
    page = context.new_page()
    # A refusal's own status is reported by the browser as an error of the page.
    complaints = Complaints(urlsplit(base_url).netloc, expected=r"status of 4(0[0-9]|22)")
    complaints.follow(page)
    found: dict[str, list[str]] = {}
    for address in pages:
        complaints.found.clear()
        page.goto(address, wait_until="load")
        problems = problems_of(page) + complaints.found
        if problems:
            found[address] = problems
    context.close()
    return found
