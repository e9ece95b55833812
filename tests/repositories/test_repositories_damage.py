"""A mirror is made again where it lacks something, never because others write in it; until the new one is whole the old one answers."""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.repositories import mirrors
from apps.repositories.models import Repository
from apps.repositories.services import request_sync, synchronise
from apps.vcs import refs
from apps.vcs.merging import Signature, write_commit
from tests.support.git import GitRepo
from tests.support.people import Cast, cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db
WHO = Signature("A", "a@example.org", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def people() -> Cast:
    return cast()


@pytest.fixture
def infra(tmp_path: Path, people: Cast) -> tuple[Repository, GitRepo]:
    return connected(tmp_path, people.carol, members={"alice": "author"})


def loose(git_dir: Path, count: int) -> None:
    """So many objects that a look at all of them takes a while."""
    for number in range(count):
        body = b"blob %d\0%d" % (len(str(number)), number)
        oid = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        place = git_dir / "objects" / oid[:2] / oid[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(zlib.compress(body, 1))


@contextmanager
def others_write(git_dir: Path) -> Iterator[list[str]]:
    """Commits are made and pinned all the time, as changes are opened, merged and checked."""
    mirror, over, made = GitRepo(git_dir), threading.Event(), list[str]()
    head, tree = mirror.rev_parse("main"), mirror.rev_parse("main^{tree}")

    def work() -> None:
        while not over.is_set():
            message = f"one {len(made)}"
            oid = write_commit(git_dir, tree=tree, parents=[head], message=message, author=WHO, committer=WHO)
            refs.pin(git_dir, f"refs/portal/test/{len(made)}", oid)
            made.append(oid)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()


def test_what_others_write_meanwhile_is_no_damage(infra: tuple[Repository, GitRepo]) -> None:
    git_dir = infra[0].mirror_path
    loose(git_dir, 20_000)
    with others_write(git_dir) as made:
        while len(made) < 30:
            assert not mirrors.is_damaged(git_dir)


def a_branch_without_its_commit(mirror: GitRepo) -> None:
    oid = mirror.rev_parse("main")
    (mirror.path / "objects" / oid[:2] / oid[2:]).unlink()


def a_file_that_is_gone(mirror: GitRepo) -> None:
    oid = mirror.rev_parse("main:README.md")
    (mirror.path / "objects" / oid[:2] / oid[2:]).unlink()


def a_pin_that_is_empty(mirror: GitRepo) -> None:
    mirror.run("update-ref", "refs/portal/test/one", "main")
    (mirror.path / "refs/portal/test/one").write_bytes(b"")


def a_pin_of_what_is_gone(mirror: GitRepo) -> None:
    place = mirror.path / "refs/portal/test/two"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("e" * 40 + "\n")


@pytest.mark.parametrize(
    "damage",
    [
        a_branch_without_its_commit,
        a_file_that_is_gone,
        a_pin_that_is_empty,
        a_pin_of_what_is_gone,
    ],
    ids=lambda damage: damage.__name__,
)
def test_damage_is_found_on_request_and_mended(infra: tuple[Repository, GitRepo], people: Cast, damage: Any) -> None:
    repository, _ = infra
    mirror = GitRepo(repository.mirror_path)
    unpacked(mirror)
    assert not mirrors.is_damaged(mirror.path)
    damage(mirror)
    assert mirrors.is_damaged(mirror.path)
    request_sync(people.alice, repository=repository)
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    assert repository.mirror_rebuilt_at is not None
    assert not mirrors.is_damaged(mirror.path)
    assert mirror.run("show", "main:README.md") == "hello"
    (aside,) = mirror.path.parent.glob(".*.damaged-*")
    assert not list(mirror.path.parent.glob(".*.fresh-*")), aside


def unpacked(mirror: GitRepo) -> None:
    """Every object in a file of its own."""
    for pack in list(mirror.path.glob("objects/pack/*.pack")):
        content = pack.read_bytes()
        for part in mirror.path.glob(f"objects/pack/{pack.stem}.*"):
            part.chmod(0o644)
            part.unlink()
        mirror.run("unpack-objects", "-q", stdin=content)


def test_until_the_new_mirror_is_whole_the_old_one_answers(
    infra: tuple[Repository, GitRepo], people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, work = infra
    mirror = GitRepo(repository.mirror_path)
    branch_with(work, "x", {"a": "1"})
    unpacked(mirror)
    kept = mirror.rev_parse("main")
    a_file_that_is_gone(mirror)
    copy, seen = mirrors.remotes.mirror_into, []

    def watched(*args: Any, **options: Any) -> Any:
        seen.append(mirror.rev_parse("main"))
        return copy(*args, **options)

    monkeypatch.setattr(mirrors.remotes, "mirror_into", watched)
    request_sync(people.alice, repository=repository)
    assert synchronise(repository.pk)
    assert seen == [kept]


def test_a_host_that_goes_away_meanwhile_leaves_what_there_is(
    infra: tuple[Repository, GitRepo], people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, _ = infra
    mirror = GitRepo(repository.mirror_path)
    unpacked(mirror)
    a_file_that_is_gone(mirror)

    def away(*args: Any, **options: Any) -> Any:
        raise Unavailable("host_unreachable", "The Git host does not answer.")

    monkeypatch.setattr(mirrors.remotes, "mirror_into", away)
    request_sync(people.alice, repository=repository)
    assert not synchronise(repository.pk)
    assert mirror.rev_parse("main")
    assert not list(mirror.path.parent.glob(".*.damaged-*"))
    repository.refresh_from_db()
    assert repository.sync_problem["code"] == "host_unreachable"
