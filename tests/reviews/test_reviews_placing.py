"""Threads across revisions: carried, outdated or above the files, and always as many as before."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.diffs.files import with_ids
from apps.presentation.diff_sides import sides_of
from apps.reviews import services
from apps.reviews.models import Comment, Thread
from apps.reviews.placing import Comparison, Placement, place_threads
from apps.vcs import trees
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
VALUES = "".join(f"key{number}: {number}\n" for number in range(1, 31))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    return delivery.proposed("one", {"app/values.yaml": VALUES, "app/other.yaml": "a: 1\n"})


def say(delivery: Delivery, change: ChangeRequest, **place: object) -> Thread:
    return services.open_thread(delivery.people.bob, change=change, body="Why?", **place)  # type: ignore[arg-type]


def push(delivery: Delivery, change: ChangeRequest, files: dict[str, str], *, gone: str = "") -> None:
    delivery.work.run("checkout", "-q", "one")
    if gone:
        delivery.work.run("rm", "-q", gone)
    delivery.work.commit("more", files=files)
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/one")
    run_jobs()
    change.refresh_from_db()


def places(change: ChangeRequest, since: str = "", to: str = "") -> dict[int, Placement]:
    sides = sides_of(change, since, to)
    assert sides is not None
    files = with_ids(trees.diff_trees(sides.git_dir, sides.old, sides.new))
    comparison = Comparison(sides.git_dir, sides.old, sides.new, files, of_revisions=sides.since is not None)
    return place_threads(comparison, change.threads.select_related("revision"))


def test_acceptance_23_threads_are_carried_or_outdated_and_none_is_lost(
    delivery: Delivery, change: ChangeRequest
) -> None:
    carried = say(delivery, change, path="app/values.yaml", line=10)
    ranged = say(delivery, change, path="app/values.yaml", start_line=20, line=22)
    changed = say(delivery, change, path="app/values.yaml", line=5)
    removed_line = say(delivery, change, path="app/values.yaml", line=1, side="old")
    on_file = say(delivery, change, path="app/other.yaml")
    whole = say(delivery, change)
    before = places(change)
    assert {before[row.number].row for row in (carried, ranged, changed, removed_line)} == {"R10", "R22", "R5", "L1"}
    text = "first: 0\n" + VALUES.replace("key5: 5\n", "key5: five\n")
    push(delivery, change, {"app/values.yaml": text}, gone="app/other.yaml")
    after = places(change)
    assert len(after) == len(before) == 6
    assert (after[carried.number].row, after[ranged.number].row) == ("R11", "R23")
    assert after[removed_line.number].row == "L1"
    assert after[changed.number].outdated
    assert after[changed.number].file == after[carried.number].file
    assert Thread.objects.get(number=changed.number).snippet == "key5: 5"
    assert after[on_file.number] == Placement(outdated=True)
    assert after[whole.number] == Placement()
    first = places(change, to="r1")
    assert {number: place.row for number, place in first.items()} == {n: place.row for n, place in before.items()}


def test_a_renamed_file_keeps_its_threads(delivery: Delivery, change: ChangeRequest) -> None:
    thread = say(delivery, change, path="app/values.yaml", line=12)
    push(delivery, change, {"app/settings.yaml": "new: 1\n" + VALUES}, gone="app/values.yaml")
    found = places(change)[thread.number]
    assert (found.row, found.outdated) == ("R13", False)


def test_between_two_revisions_a_thread_stands_on_the_side_that_still_has_its_lines(
    delivery: Delivery, change: ChangeRequest
) -> None:
    changed = say(delivery, change, path="app/values.yaml", line=5)
    kept = say(delivery, change, path="app/values.yaml", line=6)
    push(delivery, change, {"app/values.yaml": VALUES.replace("key5: 5\n", "key5: five\n")})
    found = places(change, since="r1", to="r2")
    assert (found[changed.number].row, found[changed.number].outdated) == ("L5", False)
    assert found[kept.number].row == "R6"


def test_random_histories_lose_no_thread(delivery: Delivery, change: ChangeRequest) -> None:
    rand = random.Random(7)
    lines = VALUES.splitlines(keepends=True)
    said = 0
    for step in range(6):
        for _ in range(5):
            say(delivery, change, path="app/values.yaml", line=rand.randrange(len(lines)) + 1)
            said += 1
        for _ in range(4):
            at = rand.randrange(len(lines))
            lines[at : at + rand.randrange(3)] = [f"step{step}-{at}: {rand.random()}\n"] * rand.randrange(1, 3)
        push(delivery, change, {"app/values.yaml": "".join(lines)})
        found = places(change)
        assert len(found) == said
        for thread in change.threads.all():
            place = found[thread.number]
            assert place.file
            assert place.outdated or lines[(place.line or 0) - 1].rstrip("\n") == thread.snippet


def test_five_hundred_threads_are_placed_in_a_constant_number_of_queries(
    delivery: Delivery, change: ChangeRequest
) -> None:
    first = say(delivery, change, path="app/values.yaml", line=1)
    rows = [
        Thread(
            change=change, number=number, revision=change.revision, scope="line", path="app/values.yaml",
            start_line=number % 30 + 1, line=number % 30 + 1, blob=first.blob, snippet="x",
            created_by=delivery.people.bob, created_at=now(),
        )
        for number in range(2, 501)
    ]  # fmt: skip
    made = Thread.objects.bulk_create(rows)
    Comment.objects.bulk_create(
        [Comment(thread=row, author=delivery.people.bob, body="b", created_at=now()) for row in made]
    )
    push(delivery, change, {"app/values.yaml": "x: 1\n" + VALUES})
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from apps.presentation.diff_pages import listing
    from apps.presentation.diff_threads import diff_threads

    sides = sides_of(change, "", "")
    assert sides is not None
    found = listing(sides)
    with CaptureQueriesContext(connection) as seen:
        began = time.process_time()
        shown = diff_threads(delivery.people.bob, change, sides, found)
        spent = time.process_time() - began
    assert shown.total == 500
    assert len(seen) <= 8
    assert spent < 2.0, spent
    assert {bar.placement.row for bar in shown.bars} == {f"R{line}" for line in range(2, 32)}
