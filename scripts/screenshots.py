"""Pictures of a running portal's pages, in two themes and two widths, into build/screenshots/.

Start the portal first (`make run`); BASE_URL, AS (user) and PASSWORD choose what is looked at.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "screenshots"
BASE = os.environ.get("BASE_URL", "http://127.0.0.1:8000").rstrip("/")
PERSON = os.environ.get("AS", "alice")
PASSWORD = os.environ.get("PASSWORD", "harbour-lane-demo")
PAGES = [
    *("queue", "changes", "changes/new", "changes/1", "changes/1/diff"),
    *("deployments", "deployments/1", "environments", "repositories", "audit", "settings", "help/ui"),
]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def shoot(browser: Browser, theme: str, width: int, pages: list[str]) -> list[str]:
    """Sign in, open every page, keep its picture; returns what was wrong with pages."""
    context = browser.new_context(viewport={"width": width, "height": 900}, base_url=BASE)
    context.add_cookies([{"name": "theme", "value": theme, "url": BASE}])
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("input[name=login]", PERSON)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button.btn-primary")
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
    context.close()
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
        for theme in ("light", "dark"):
            for width in (1440, 360):
                problems += shoot(browser, theme, width, pages)
        browser.close()
    print("\n".join([*problems, f"Pictures are in {OUT.relative_to(ROOT)}/"]))


if __name__ == "__main__":
    main()
