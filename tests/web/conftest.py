"""One small world for the page tests: the cast, a real repository, changes in several states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.changes import services as changes
from apps.changes.jobs import JOBS as CHANGES
from apps.changes.models import ChangeRequest
from apps.deployments.jobs import JOBS as DEPLOYMENTS
from apps.presentation import diff_find, diff_pages, diff_whole, freezes, history_pages
from apps.presentation.recent import Recent
from apps.repositories.jobs import JOBS as REPOSITORIES
from apps.repositories.models import Repository
from apps.reviews.jobs import JOBS as REVIEWS
from tests.support.git import GitRepo
from tests.support.people import Cast, cast
from tests.support.repositories import branch_with, connected, pushed
from tests.support.snapshots import Snapshot

HOSTILE = "<script>alert(1)</script> \u202eeltit live"
FILES = {
    "README.md": "hello\n",
    "CODEOWNERS": "* @bob\n",
    "app/values.yaml": "".join(f"key{n}: {n}\n" for n in range(40)),
}
REMEMBERED: list[Recent[Any]] = [
    diff_find._CLASSES, diff_find._PATCHES, diff_pages._LISTINGS, diff_pages._PATCHES, diff_whole._WHOLES,
    freezes._TOLD, history_pages._READ,
]  # fmt: skip


def settle() -> None:
    """Do all background work that is due."""
    for _ in range(20):
        worked = False
        for job in (*REPOSITORIES, *CHANGES, *REVIEWS, *DEPLOYMENTS):
            for pk in list(job.due(100)):
                job.run(pk)
                worked = True
        if not worked:
            return


@dataclass
class World:
    people: Cast
    repository: Repository
    work: GitRepo
    numbers: dict[str, int] = field(default_factory=dict)

    def change(self, name: str) -> ChangeRequest:
        return ChangeRequest.objects.get(number=self.numbers[name])

    def url(self, name: str, tail: str = "") -> str:
        return f"/changes/{self.numbers[name]}/{tail}"


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[World]:
    return Snapshot(tmp_path_factory.mktemp("web-world") / "world", built)


@pytest.fixture
def world(db: None, tmp_path: Path, snapshot: Snapshot[World], settings: Any) -> World:
    """CHG of alice in review (`open`), one with a hostile title, a conflict, a draft, and a request of kim."""
    cache.clear()
    for memory in REMEMBERED:
        memory.clear()
    settings.PORTAL_DATA_DIR = snapshot.place / "portal-data"
    settings.PORTAL_LOCAL_REPOSITORY_DIRS = [str(snapshot.place), str(tmp_path)]
    return snapshot.laid_out()


def built(place: Path) -> World:
    (place / "portal-data").mkdir()
    people = cast()
    members = {"alice": "author", "bob": "reviewer", "kim": "viewer", "dave": "auditor"}
    repository, work = connected(place, people.carol, files=FILES, members=members)
    values = FILES["app/values.yaml"]
    branch_with(
        work,
        "more",
        {"app/values.yaml": values.replace("key3: 3", "key3: <b>33"), "app/new.yaml": "a: 1\n"},
        author="Alice <alice@example.org>",
    )
    branch_with(
        work,
        "hostile",
        {"bad<script>.txt": "x\u202ey <img src=x onerror=alert(1)>\n"},
        author="Alice <alice@example.org>",
    )
    branch_with(work, "clash", {"README.md": "hello from here\n"}, author="Alice <alice@example.org>")
    branch_with(work, "later", {"later.txt": "1\n"}, author="Alice <alice@example.org>")
    work.run("checkout", "-q", "main")
    work.commit("main moves", files={"README.md": "hello from main\n"})
    pushed(repository, work, "main")
    made = World(people, repository, work)

    def make(name: str, title: str, branch: str, **options: bool) -> None:
        made.numbers[name] = changes.create_change(
            people.alice, repository=repository, title=title, description=f"Why: {HOSTILE}", source_branch=branch,
            target_branch="main" if branch else "", **options,
        ).number  # fmt: skip

    make("open", "Raise the third key", "more")
    make("hostile", HOSTILE, "hostile")
    make("conflict", "Say hello", "clash")
    make("draft", "Something for later", "later", draft=True)
    made.numbers["backlog"] = changes.create_change(
        people.kim, repository=repository, title="Please rotate the key"
    ).number
    settle()
    return made


@pytest.fixture
def as_(world: World) -> Callable[[str], Client]:
    """A signed-in client of one person of the cast."""

    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(getattr(world.people, name), backend="apps.accounts.backends.PortalBackend")
        return client

    return sign_in
