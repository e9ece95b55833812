"""Two who write to the branch at the same moment, each with a connection of their own: one commit, the other is told."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, PortalError
from apps.reviews import services
from apps.reviews.models import Comment, SuggestionCommit
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.git import GitRepo

pytestmark = pytest.mark.django_db(transaction=True)
LINES = "".join(f"key{number}: {number}\n" for number in range(1, 9))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    return delivery.proposed("one", {"app/values.yaml": LINES})


def suggest(delivery: Delivery, change: ChangeRequest, line: int) -> Comment:
    body = f"```suggestion\nkey{line}: better\n```\n"
    thread = services.open_thread(delivery.people.bob, change=change, body=body, path="app/values.yaml", line=line)
    return thread.comments.get()


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Results or refusals of acts that start together, in their order."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        barrier.wait(timeout=60)
        try:
            return act()
        except PortalError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def applying(delivery: Delivery, change: ChangeRequest, comment: Comment, who: str) -> Callable[[], SuggestionCommit]:
    user = getattr(delivery.people, who)
    mine = ChangeRequest.objects.get(pk=change.pk)
    return lambda: services.apply_suggestions(user, change=mine, comments=[comment.pk], revision=1)


def commits_on_branch(delivery: Delivery) -> int:
    return int(GitRepo(Path(delivery.repository.url)).run("rev-list", "--count", "main..one"))


@pytest.mark.parametrize("lines", [(3, 3), (3, 6)], ids=["one suggestion", "two suggestions"])
def test_two_who_apply_at_once_make_one_commit(
    delivery: Delivery, change: ChangeRequest, lines: tuple[int, int]
) -> None:
    made = {line: suggest(delivery, change, line) for line in set(lines)}
    before = commits_on_branch(delivery)
    acts = [applying(delivery, change, made[line], who) for line, who in zip(lines, ("alice", "carol"), strict=True)]
    answers = at_once(*acts)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "SuggestionCommit"], answers
    assert commits_on_branch(delivery) == before + 1
    # Who comes between the push of the first and its record is refused by the branch, and keeps that on record.
    states = sorted(SuggestionCommit.objects.values_list("state", flat=True))
    assert states in (["applied"], ["applied", "failed"])
    change.refresh_from_db()
    assert change.revision is not None
    assert change.revision.number == 2


def test_applying_against_a_push_makes_one_commit(delivery: Delivery, change: ChangeRequest) -> None:
    comment = suggest(delivery, change, 3)
    before = commits_on_branch(delivery)
    work = delivery.work
    work.run("checkout", "-q", "one")
    work.commit("By hand", files={"app/values.yaml": LINES.replace("key8: 8", "key8: eight")})

    def push() -> bool:
        command = ["git", "push", "-q", "origin", "one:refs/heads/one"]
        return subprocess.run(command, cwd=work.path, capture_output=True, check=False).returncode == 0

    applied, arrived = at_once(applying(delivery, change, comment, "alice"), push)
    assert commits_on_branch(delivery) == before + 1
    assert isinstance(applied, Conflict) == arrived, (applied, arrived)
    run_jobs()
    comment.refresh_from_db()
    assert (comment.application is not None and comment.application.state == "applied") != arrived
