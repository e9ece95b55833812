"""Viewed marks: per person, file and content; a new revision un-views only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import NotAllowed, NotVisible
from apps.reviews import services
from apps.reviews.content import files_of
from apps.reviews.marks import Marks, revision_marks
from apps.reviews.models import SeenMark
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
FILES = {"a.yaml": "a: 2\n", "b.yaml": "b: 2\n", "c.yaml": "c: 2\n"}


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline(), files={"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"})


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    return fresh(delivery.proposed(files=FILES))


def fresh(change: ChangeRequest) -> ChangeRequest:
    return ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)


def ids(change: ChangeRequest) -> dict[str, str]:
    assert change.revision is not None
    return {file.path: file.id for file in files_of(change, change.revision)}


def marks(delivery: Delivery, change: ChangeRequest, who: str = "bob") -> Marks:
    assert change.revision is not None
    return revision_marks(getattr(delivery.people, who), change, change.revision)


def mark(delivery: Delivery, change: ChangeRequest, *paths: str, who: str = "bob", viewed: bool = True) -> Marks:
    assert change.revision is not None
    files = [ids(change)[path] for path in paths]
    user = getattr(delivery.people, who)
    return services.mark_viewed(user, change=change, revision=change.revision.number, files=files, viewed=viewed)


def push(delivery: Delivery, files: dict[str, str], *, onto: str = "one") -> None:
    delivery.work.run("checkout", "-q", onto)
    delivery.work.commit("more", files=files, author="Alice <alice@example.org>")
    pushed(delivery.repository, delivery.work, f"HEAD:refs/heads/{onto}", force=True)
    run_jobs()


def test_marks_are_personal_and_counted(delivery: Delivery, change: ChangeRequest) -> None:
    assert mark(delivery, change, "a.yaml", "c.yaml").words == "2/3 viewed"
    assert marks(delivery, change, "kim").words == "0/3 viewed"
    assert mark(delivery, change, "a.yaml", viewed=False).words == "1/3 viewed"


def test_acceptance_23_a_new_revision_unviews_only_files_whose_difference_changed(
    delivery: Delivery, change: ChangeRequest
) -> None:
    mark(delivery, change, "a.yaml", "b.yaml", "c.yaml")
    push(delivery, {"b.yaml": "b: 3\n"})
    change = fresh(change)
    found = marks(delivery, change)
    assert found.words == "2/3 viewed, 1 changed"
    assert found.changed == {ids(change)["b.yaml"]}
    assert mark(delivery, change, "b.yaml").words == "3/3 viewed"


def test_a_target_that_moved_elsewhere_unviews_nothing(delivery: Delivery, change: ChangeRequest) -> None:
    mark(delivery, change, "a.yaml")
    push(delivery, {"docs/x.md": "x\n"}, onto="main")
    moved = fresh(change)
    assert moved.revision_id != change.revision_id
    assert marks(delivery, moved).words == "1/3 viewed"


def test_a_mark_of_an_old_revision_says_nothing_of_the_new_content(delivery: Delivery, change: ChangeRequest) -> None:
    push(delivery, {"b.yaml": "b: 3\n"})
    services.mark_viewed(delivery.people.bob, change=change, revision=1, files=[ids(change)["b.yaml"]])
    found = marks(delivery, fresh(change))
    assert (found.words, found.viewed) == ("0/3 viewed, 1 changed", frozenset())


def test_marking_is_recorded_once_for_all_files_and_not_in_the_history_of_the_change(
    delivery: Delivery, change: ChangeRequest
) -> None:
    mark(delivery, change, "a.yaml", "b.yaml")
    mark(delivery, change, "a.yaml", "b.yaml")
    entry = AuditEntry.objects.get(action="file.viewed")
    assert entry.summary == f"bob marked 2 files of {change.label} r1 as viewed"
    assert entry.change_number is None, (
        "everybody who sees the change reads its history, and what one viewed is personal"
    )
    mark(delivery, change, "a.yaml", viewed=False)
    mark(delivery, change, "a.yaml", viewed=False)
    assert AuditEntry.objects.filter(action="file.unviewed").count() == 1
    assert SeenMark.objects.count() == 1


def test_unknown_files_revisions_and_people_mark_nothing(delivery: Delivery, change: ChangeRequest) -> None:
    with pytest.raises(NotVisible):
        services.mark_viewed(delivery.people.bob, change=change, revision=1, files=[ids(change)["a.yaml"], "00000000"])
    with pytest.raises(NotVisible):
        services.mark_viewed(delivery.people.bob, change=change, revision=9, files=[ids(change)["a.yaml"]])
    with pytest.raises(NotAllowed):
        mark(delivery, change, "a.yaml", who="mallory")
    assert not SeenMark.objects.exists()
    assert not AuditEntry.objects.filter(action="file.viewed").exists()
