"""One browser per module and one running portal, filled with the demo organisation, for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from apps.demo.cast import PASSWORD
from tests.support.browsing import Person
from tests.support.git import GitRepo, bare_remote
from tests.support.server import PortalServer

PICTURES = Path(__file__).resolve().parents[2] / "build" / "browser"
MEMBERS = {"alice": "author", "bob": "reviewer", "kim": "reviewer", "dave": "auditor"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        pytest.skip("NOT RUN: there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    """A served portal in which the demo story was told; repositories below ``data_dir/remotes`` can be connected."""
    data = tmp_path_factory.mktemp("portal") / "data"
    server = PortalServer(data, local_dirs=[data])
    server.migrate()
    server.manage("demo", "--if-empty")
    server.manage("demo", "--guard")  # as `make run` does: every merge of the stories goes through the hook
    server.serve()
    yield server
    server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log, log[-6000:]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Pictures of what everybody saw when a test failed, in build/browser/."""
    report = yield
    if report.when == "call" and report.failed:
        PICTURES.mkdir(parents=True, exist_ok=True)
        for person in getattr(item, "funcargs", {}).get("arrives", _nobody).here:
            place = PICTURES / f"{item.name}-{person.name}.png".replace("/", "-")
            person.page.screenshot(path=place, timeout=5000)
            report.sections.append(("seen", f"{person.name} at {person.page.url}: {place}"))
    return report


class Arrivals:
    """``arrives("bob")``: bob signs in with a browser of his own."""

    def __init__(self, browser: Browser | None = None, url: str = "") -> None:
        self.here: list[Person] = []
        self._browser, self._url = browser, url

    def __call__(self, name: str, way: type[Person] = Person) -> Person:
        assert self._browser is not None
        self.here.append(way(self._browser, self._url, name, PASSWORD))
        return self.here[-1]


_nobody = Arrivals()


@pytest.fixture
def arrives(chromium: Browser, portal: PortalServer) -> Iterator[Arrivals]:
    """People who come to the portal; at the end nobody's pages may have complained."""
    arrivals = Arrivals(chromium, portal.url)
    yield arrivals
    for person in arrivals.here:
        person.leave()


@pytest.fixture
def repository(portal: PortalServer) -> Callable[..., GitRepo]:
    """``repository(name, files, branch=edits)``: connected by carol, with the people of the cast; a clone of it.

    Every further argument is a branch of alice with one commit of edits (``_`` is written ``-`` in its name).
    """

    def make(name: str, files: dict[str, str], **branches: dict[str, str]) -> GitRepo:
        place: Path = portal.data_dir / "remotes" / name
        place.mkdir(parents=True)
        bare, work = bare_remote(place, files, name=name)
        for branch, edits in branches.items():
            work.branch(branch.replace("_", "-"), "main")
            work.commit("Edit for alice", files=edits)
            work.push()
        portal.api("carol").post(
            "/repositories/", {"name": name, "url": str(bare.path), "members": MEMBERS}, status=201
        )
        return work

    return make
