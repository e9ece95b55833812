import pytest
from apps.demo.cast import PASSWORD
from tests.support.browsing import Person
from tests.support.looking import walk
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]
MINE = {"carol": ["/repositories/harbour/", "/repositories/harbour/history/", "/repositories/harbour/history/?path=.gitops/portal.yaml", "/repositories/harbour/_blame/?path=.gitops/portal.yaml", "/repositories/harbour/blame/?path=nothing"],
 "bob": ["/changes/11/diff/?from=r1&to=r2", "/changes/11/diff/?from=r1&to=r2&upstream=1", "/changes/11/diff/?from=mine", "/changes/11/_since/", "/changes/11/"]}
def test_tmp(chromium, portal):
    problems = {}
    for who, pages in MINE.items():
        person = Person(chromium, portal.url, who, PASSWORD); state = person.context.storage_state(); person.leave()
        for theme, width in (("light", 1440), ("dark", 320)):
            problems |= {(theme, width, k): v for k, v in walk(chromium, portal.url, pages, look={"theme": theme, "diff": "default"}, width=width, state=state).items()}
        context = chromium.new_context(storage_state=state, viewport={"width": 1280, "height": 800}); page = context.new_page()
        for n, address in enumerate(pages):
            page.goto(portal.url + address); page.wait_for_timeout(800); page.screenshot(path=f"/tmp/shot-{who}-{n}.png")
        page.set_viewport_size({"width": 360, "height": 700})
        page.goto(portal.url + pages[3]); page.screenshot(path=f"/tmp/shot-{who}-360.png")
        context.close()
    assert problems == {}
