"""What a browser has to do with the large difference: headless Chromium, a new profile for each page.

``load`` is the load event after the start of the navigation; layout is layout and style together, as Chromium counts them. cgit's page
is what its program printed, served from memory, so that no server stands in its way. UX acceptance 8 is measured on the same page.
"""

from __future__ import annotations

import http.server
import shutil
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.cgit import Cgit, install
from tests.bench.measuring import Plan, Result
from tests.bench.portal import Person, changes_of, served
from tests.bench.whole_diff import WHOLE

WHOLE_AIM, FIRST_AIM, LAYOUT_MS, PAINT_MS, NODES, BYTES = 0.1, 0.02, 100, 1_500, 15_000, 400
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SEEN = """() => new Promise((done) => {
  const found = {shift: 0, paint: 0};
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) found.shift += one.value; })
    .observe({type: 'layout-shift', buffered: true});
  new PerformanceObserver((list) => { found.paint = list.getEntries().at(-1).startTime; })
    .observe({type: 'largest-contentful-paint', buffered: true});
  const [page] = performance.getEntriesByType('navigation');
  setTimeout(() => done({...found, load: page.loadEventEnd, bytes: page.decodedBodySize,
                         nodes: document.querySelectorAll('*').length}), 300);
})"""


def run(plan: Plan) -> Result:
    result = Result("Chromium on the large difference (ratio to cgit side by side, complete)")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        result.add("Chromium", 0, note="NOT RUN: there is none (apt-get install chromium)")
        result.add("pages", 0, note="NOT RUN")
        return result
    missing = install()
    place = plan.place / "browser"
    with served(place, PORTAL_ENGINE="none") as server, _browser(chromium) as browser:
        server.person("carol", "--connect-repositories")
        server.person("alice")
        (number,) = changes_of(server, place, "large", "large", 1, plan)
        with Person(server, "carol") as person:
            cookies = [{"name": name, "value": value, "url": server.url} for name, value in person.cookies.items()]
            person.get(f"/changes/{number}/diff/")
        pages = {"first rows": f"{server.url}/changes/{number}/diff/", "whole": server.url + WHOLE.format(number)}
        found = {what: _seen(browser, url, cookies, plan.rounds) for what, url in pages.items()}
        peer = 0.0
        if not missing:
            with _held(Cgit(place / "large.git", place).diff("main", "variant-0")) as url:
                peer = _seen(browser, url, [], plan.rounds)["load"]
            result.add("cgit, load", peer)
    for what, aim in (("first rows", FIRST_AIM), ("whole", WHOLE_AIM)):
        ratio = {"ratio": found[what]["load"] / peer, "aim": aim} if peer else {}
        result.add(f"{what}, load", found[what]["load"], **ratio, note=missing and f"NOT compared: {missing}")
        result.add(f"{what}, layout and style", found[what]["layout"], aim=LAYOUT_MS)
    first = found["first rows"]
    result.add("first rows, largest contentful paint", first["paint"], aim=PAINT_MS)
    result.add("first rows, nodes", first["nodes"], unit="", aim=NODES)
    result.add("first rows, HTML", first["bytes"] / 1024, unit="KiB", aim=BYTES)
    result.add("first rows, layout shift × 1000", first["shift"] * 1_000, unit="", aim=10)
    return result


@contextmanager
def _browser(executable: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


def _seen(browser: Any, url: str, cookies: list[dict[str, str]], count: int) -> dict[str, float]:
    """Medians over ``count`` visits, each with an empty cache."""
    visits = []
    for _ in range(count):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies(cookies)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(url, wait_until="load", timeout=120_000)
        visit = page.evaluate(SEEN)
        metrics = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
        visits.append({**visit, "layout": (metrics["LayoutDuration"] + metrics["RecalcStyleDuration"]) * 1_000})
        context.close()
    return {name: statistics.median(visit[name] for visit in visits) for name in visits[0]}


@contextmanager
def _held(answer: bytes) -> Iterator[str]:
    """The address of a server that knows one page."""
    _, _, body = answer.partition(b"\n\n")

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
