"""The scripts of the rows in a real browser, on rows of the engine and without a portal: more context, moved blocks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from apps.accounts.shortcuts import SHORTCUTS
from apps.diffs import parse
from apps.diffs.context import Place, context_rows
from apps.diffs.files import describe, with_ids
from apps.diffs.fragments import Options, render_file, render_section
from apps.diffs.moves import find_moves, list_html

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
STATIC = Path(__file__).resolve().parents[2] / "static"
BLOCK = ["container:", "  name: frontend", "  image: web:1.2", "  port: 8080"]
OLD = [*(f"key{n}: {n}" for n in range(1, 60)), *BLOCK, *(f"key{n}: {n}" for n in range(60, 161))]
NEW = [*OLD[:4], "key5: five", *OLD[5:59], *OLD[63:99], "spec:", *(f"  {line}" for line in BLOCK), *OLD[99:]]
SCRIPTS = ("keys.js", "portal.js", "diff.js", "diff_context.js", "diff_moves.js")
HOST = "http://rows.example"


@pytest.fixture(params=["unified", "split"])
def page(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    change = with_ids([parse.RawChange("M", "a.yaml", "a.yaml", "100644", "100644", "1" * 40, "2" * 40, None)])[0]
    for name, lines in (("old", OLD), ("new", NEW)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    command = ["git", "diff", "--no-index", "old", "new"]
    patch = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout
    options = Options(request.param)
    facts = describe(change, patch)
    section = render_section(change, facts, render_file(change, patch, options=options, facts=facts).html).decode()
    moves = find_moves([(change, patch)])
    links = [(f"?#f-{one.old.id}-L{one.old_at}", f"?#f-{one.new.id}-R{one.new_at}") for one in moves]
    heads = "".join(f'<script src="/js/{name}" defer></script>' for name in SCRIPTS)
    style = '<link rel="stylesheet" href="/css/tokens.css"><link rel="stylesheet" href="/css/diff.css">'
    table = "".join(f'<tr data-shortcut="{one.id}" data-keys="{one.keys}"><td>{one.id}' for one in SHORTCUTS)
    shortcut = f'<dialog id="shortcuts"><table>{table}</table></dialog>'
    html = (
        f"<!doctype html><html lang=en><head><title>Rows</title>{style}{heads}</head><body>{shortcut}<div id=live></div>"
        f'<div id="diff-moves"><ul>{list_html(moves, links)}</ul></div>'
        f'<div data-rows-url="/rows/{{id}}/?v=1" data-context-url="/context/{{id}}/?v=1">{section}</div></body></html>'
    )

    def answer(route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path.startswith("/context/"):
            asked = {name: int(value[0]) for name, value in parse_qs(url.query).items()}
            rows = context_rows(change, NEW, Place(asked["old"], asked["new"], asked["count"]), options=options)
            route.fulfill(body=rows.decode(), content_type="text/html; charset=utf-8")
        elif url.path == "/":
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            route.fulfill(path=STATIC / url.path.lstrip("/"))

    found = chromium.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.route("**/*", answer)
    found.goto(HOST)
    yield found
    found.close()
    assert problems == []


def shown(page: Page) -> list[str]:
    """New line numbers on the page, in order."""
    return page.eval_on_selector_all(
        "[id*='-R']",
        "all => all.map((one) => one.id.split('-R')[1]).filter((one, at, list) => list.indexOf(one) === at)",
    )


def test_lines_come_down_up_and_all_in_their_order_until_the_file_is_whole(page: Page) -> None:
    gaps = page.locator("tr[data-gap]")
    before = len(shown(page))
    first = gaps.nth(1)  # before it there is a gap of one line, which has one link
    first.locator('[data-take="down"]').click()
    expect(page.locator("[id$='-R9']").first).to_be_visible()
    assert len(shown(page)) == before + 20
    first.locator('[data-take="up"]').click()
    page.wait_for_function(f"document.querySelectorAll('[id*=\"-R\"]').length >= {before + 40}")
    numbers = [int(one) for one in shown(page)]
    assert numbers == sorted(numbers)
    while gaps.count():
        left = gaps.count()
        gaps.first.locator('[data-take="all"]').click()
        page.wait_for_function(f"document.querySelectorAll('tr[data-gap]').length < {left}")
    assert [int(one) for one in shown(page)] == list(range(1, len(NEW) + 1))


def test_the_key_e_shows_more_around(page: Page) -> None:
    before = len(shown(page))
    page.keyboard.press("e")
    page.wait_for_function(f"document.querySelectorAll('[id*=\"-R\"]').length > {before}")


def test_a_moved_block_is_hinted_at_both_places_and_leads_from_one_to_the_other(page: Page) -> None:
    hints = page.locator("tr.mv")
    expect(hints).to_have_count(2)
    expect(hints.first).to_contain_text("Moved to")
    expect(hints.last).to_contain_text("indented 2 spaces deeper")
    hints.first.locator("a").click()
    expect(page.locator("tr.at")).to_contain_text("container:")
