"""Pictures of a running portal's pages, in two themes and two widths, into build/screenshots/.

Start the portal first (`make run`); BASE_URL, AS (user) and PASSWORD choose what is looked at.
With the one argument `docs` it takes the pictures of the documentation from the demo organisation, into docs/images/.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "screenshots"
BASE = os.environ.get("BASE_URL", "http://127.0.0.1:8000").rstrip("/")
PERSON = os.environ.get("AS", "alice")
PASSWORD = os.environ.get("PASSWORD", "harbour-lane-demo")
PAGES = [
    *("queue", "changes", "changes/new", "changes/1", "changes/1/diff"),
    *("deployments", "deployments/1", "environments", "repositories", "audit", "settings", "help/ui"),
]
DOCS = {
    "change": ("changes/11", "light", "bob"),
    "diff": ("changes/11/diff", "light", "alice"),
    "rendered": ("changes/11/rendered", "light", "bob"),
    "chart": ("changes/9/rendered", "dark", "bob"),
    "flux": ("changes/19/rendered", "light", "bob"),
    "manifests": ("changes/20/rendered", "dark", "bob"),
    "plan": ("changes/10/plan", "light", "bob"),
    "stack": ("changes/15/plan", "light", "bob"),
    "deployment": ("deployments/8", "dark", "carol"),
    "board": ("environments", "light", "carol"),
}
MOST_BYTES = 300 * 1024
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def signed_in(browser: Browser, theme: str, width: int, person: str) -> Page:
    """The first page that ``person`` sees."""
    context = browser.new_context(viewport={"width": width, "height": 900}, base_url=BASE)
    context.add_cookies([{"name": "theme", "value": theme, "url": BASE}])
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("input[name=login]", person)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button.btn-primary")
    return page


def illustrate(browser: Browser) -> list[str]:
    """The pictures of the documentation; returns which of them are too large for it."""
    place = ROOT / "docs" / "images"
    place.mkdir(parents=True, exist_ok=True)
    problems = []
    for name, (address, theme, person) in DOCS.items():
        page = signed_in(browser, theme, 1280, person)
        page.goto(f"/{address}/")
        page.locator("#freshness[data-state=live]").wait_for()
        picture = page.screenshot(path=place / f"{name}.png")
        if len(picture) > MOST_BYTES:
            problems.append(f"{name}.png has {len(picture)} bytes, more than {MOST_BYTES}")
        page.context.close()
    return [*problems, f"Pictures are in {place.relative_to(ROOT)}/"]


def shoot(browser: Browser, theme: str, width: int, pages: list[str]) -> list[str]:
    """Sign in, open every page, keep its picture; returns what was wrong with pages."""
    page = signed_in(browser, theme, width, PERSON)
    problems = []
    for address in pages:
        answer = page.goto(f"/{address}/")
        name = f"{address.replace('/', '-')}-{theme}-{width}"
        if answer is None or not answer.ok:
            problems.append(f"{name}: {answer.status if answer else 'no answer'}")
        page.screenshot(path=OUT / f"{name}.png", full_page=True)
        beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            problems.append(f"{name}: {beyond} px wider than the screen")
    page.context.close()
    return problems


def main() -> None:
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        sys.exit("make screenshots: there is no Chromium on PATH.")
    OUT.mkdir(parents=True, exist_ok=True)
    pages = sys.argv[1:] or PAGES
    problems = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=ARGUMENTS)
        if pages == ["docs"]:
            problems = illustrate(browser)
        else:
            for theme in ("light", "dark"):
                for width in (1440, 360):
                    problems += shoot(browser, theme, width, pages)
            problems.append(f"Pictures are in {OUT.relative_to(ROOT)}/")
        browser.close()
    print("\n".join(problems))


if __name__ == "__main__":
    main()
