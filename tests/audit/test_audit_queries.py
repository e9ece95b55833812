"""Filters and pages of the log, and who sees what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.audit.actors import SYSTEM, Actor
from apps.audit.models import AuditEntry
from apps.audit.queries import EntryFilter, entries, visible_entries
from apps.audit.services import record
from apps.core.clock import now
from tests.support.people import Cast, cast

pytestmark = pytest.mark.django_db
ALICE = Actor(id=7, issuer="local", subject="alice", name="alice", kind="human")


@pytest.fixture
def log() -> None:
    record(
        ALICE, "change.requested", summary="Asked for a bigger disk", repository="infra", change=1, target="change/1"
    )
    record(
        SYSTEM, "deployment.started", summary="Started", repository="infra", change=1, environment="prod", deployment=5
    )
    record(
        ALICE, "deployment.cancelled", summary="Stopped", repository="apps", change=2, environment="prod", deployment=6
    )
    record(ALICE, "team.created", summary="Team 100%_sre created", target="team/sre")


def found(**filters) -> list[int]:
    return [entry.seq for entry in entries(EntryFilter(**filters)).items]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"actor": "alice"}, [4, 3, 1]),
        ({"action": "deployment"}, [3, 2]),
        ({"action": "deployment.started"}, [2]),
        ({"action": "deploy"}, []),
        ({"change": 1}, [2, 1]),
        ({"repository": "apps"}, [3]),
        ({"repositories": frozenset({"infra"})}, [2, 1]),
        ({"repositories": frozenset({"infra", ""})}, [2, 1]),
        ({"repositories": frozenset()}, []),
        ({"repositories": frozenset({"infra"}), "repository": "apps"}, []),
        ({"environment": "prod", "actor": "alice"}, [3]),
        ({"deployment": 5}, [2]),
        ({"text": "BIGGER disk"}, [1]),
        ({"text": "team/s"}, [4]),
        ({"text": "100%_"}, [4]),
        ({"text": "%"}, [4]),
    ],
)
def test_filters_narrow(log, filters, expected):
    assert found(**filters) == expected


def test_time_filters_are_half_open(log):
    at = AuditEntry.objects.get(seq=2).at
    assert found(after=at) == [4, 3, 2]
    assert found(before=at) == [1]
    assert found(after=now() + timedelta(hours=1)) == []


def test_pages_follow_one_another_even_when_entries_are_added(log):
    first = entries(limit=3)
    assert ([entry.seq for entry in first.items], first.next_after) == ([4, 3, 2], 2)
    record(SYSTEM, "change.merged", summary="later")
    second = entries(after_seq=first.next_after, limit=3)
    assert ([entry.seq for entry in second.items], second.next_after) == ([1], None)


def test_page_takes_one_query(log, django_assert_num_queries):
    with django_assert_num_queries(1):
        entries(EntryFilter(actor="alice", text="disk"))


def test_outsider_sees_nothing_and_administrator_everything(log):
    people: Cast = cast()
    assert not visible_entries(people.mallory, []).exists()
    assert not visible_entries(people.mallory, [""]).exists()
    assert set(visible_entries(people.dave, ["infra"]).values_list("seq", flat=True)) == {1, 2}
    assert visible_entries(people.erin, []).count() == AuditEntry.objects.count()
