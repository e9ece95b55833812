"""A moment in a body has its time zone, and is one that every database can reckon with; others are refused by name."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.clock import now
from tests.api.test_api_bad_input import send
from tests.support.api_world import World

pytestmark = pytest.mark.django_db
BODIES = [
    ("post", "changes/{review}/schedule/", {}, "at"),
    ("post", "changes/{review}/schedule/", {"at": "2999-01-01T00:00Z"}, "until"),
    ("post", "deployments/{waiting}/schedule/", {}, "at"),
    ("put", "environments/infra/staging/lock/", {"reason": "r"}, "until"),
    ("post", "environments/infra/staging/lock/take-over/", {"reason": "r", "lock": 1}, "until"),
    ("post", "environments/infra/staging/drift/acceptances/", {"mark": "0" * 64, "reason": "r"}, "until"),
]
BAD = [
    "2026-12-24T14:05", "2026-12-24 14:05:00", "2026-12-24", "now", "", "14:05Z", "tomorrow", 5, True, ["2026-12-24T14:05Z"], {},
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "name"), BODIES, ids=[f"{row[1]}{row[3]}" for row in BODIES])
def test_a_moment_without_its_zone_out_of_bounds_or_that_is_none_is_refused_by_name(
    method: str, path: str, body: dict[str, Any], name: str, world: World, api: Any
) -> None:
    client, url = api("maintainer"), path.format(**world.names)
    before = AuditEntry.objects.count()
    for bad in BAD:
        answer = send(client, url, {**body, name: bad}, method)
        assert answer.status_code == 422, (bad, answer.content[:300])
        said = str(answer.json()["fields"][name])
        assert f"{str(bad)[:40]} is no moment. Write one with its time zone" in said, said
    assert AuditEntry.objects.count() == before


def test_a_moment_with_its_offset_is_taken(world: World, api: Any) -> None:
    wanted = (now() + timedelta(days=1)).replace(microsecond=0)
    offset = wanted.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    answer = send(api("maintainer"), "environments/infra/staging/lock/", {"reason": "r", "until": offset}, "put")
    assert answer.status_code == 200, answer.content
    assert answer.json()["until"] == wanted.isoformat()


def test_the_description_says_that_they_are_moments() -> None:
    from apps.api.schema import published

    shapes = published()["components"]["schemas"]
    for shape, name in (("ScheduleIn", "at"), ("LockIn", "until"), ("AcceptDriftIn", "until")):
        assert shapes[shape]["properties"][name]["format"] == "date-time"
