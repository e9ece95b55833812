"""What is wrong with a page, as far as a machine can tell: accessibility, width, complaints."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, StorageState

from tests.support.browsing import WATCH_POLICY, Complaints

AXE = (Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js").read_text
# WCAG 2.5.8 excepts targets whose size is "constrained by the line-height of non-target text": a line number is as
# high as its line of code. axe knows the exception only inside of a sentence, so it is told where this holds.
LINE_NUMBERS = ".dt td.n a, .blame-table td.n a, a.ln"
RULES = """async ([lines, colours]) => {
  const wanted = colours ? {type: 'rule', values: ['color-contrast', 'link-in-text-block']} : ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'];
  const found = await axe.run({runOnly: wanted, resultTypes: ['violations']});
  const said = [];
  for (const {id, nodes} of found.violations) {
    const left = nodes.filter((node) => id !== 'target-size' || !document.querySelector(node.target.at(-1))?.matches(lines));
    if (left.length) said.push(`${id}: ${left.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message || ''}`).join('; ')}`);
  }
  return said;
}"""
# The attributes that the server writes for a look; nothing else differs between looks than the colours of tokens.css,
# so that what does not depend on colours is judged in the first look only.
LOOKS = {
    "light": ("light", "default"),
    "dark": ("dark", "default"),
    "light-cb": ("light", "cb"),
    "dark-cb": ("dark", "cb"),
}
DRESS = "([theme, diff]) => Object.assign(document.documentElement.dataset, {bsTheme: theme, diff})"
WIDTHS = (1440, 320)
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
    """In four looks, wide and narrow: violations of WCAG A and AA, and whether the page scrolls sideways."""
    tool_for(page)
    found: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        beyond: str = page.evaluate(BEYOND)
        found += [f"{width} px: {beyond}"] if beyond else []
        for number, (name, look) in enumerate(LOOKS.items()):
            page.evaluate(DRESS, look)
            violations: list[str] = page.evaluate(RULES, [LINE_NUMBERS, number > 0])
            found += [f"{name}, {width} px: {violation}" for violation in violations]
    return found


def walk(browser: Browser, base_url: str, pages: list[str], *, state: StorageState | None) -> dict[str, list[str]]:
    """Address → what is wrong with it; pages without a problem are left out.

    Complaints are errors of scripts and of the server, refusals by the content security policy, and requests to
    another host.
    """
    context = browser.new_context(base_url=base_url, storage_state=state, reduced_motion="reduce")
    context.add_init_script(WATCH_POLICY)
    page = context.new_page()
    # A refusal's own status is reported by the browser as an error of the page.
    complaints = Complaints(urlsplit(base_url).netloc, expected=r"status of 4(0[0-9]|22)")
    complaints.follow(page)
    found: dict[str, list[str]] = {}
    for address in pages:
        complaints.found.clear()
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.goto(address, wait_until="load")
        problems = problems_of(page) + complaints.found
        if problems:
            found[address] = problems
    context.close()
    return found
