"""Being away: days in a time zone, who enters them, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from apps.accounts import queries, services
from apps.accounts.absences import back_on, end_of, local_time, start_of
from apps.accounts.models import Absence
from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from tests.support.people import Cast, cast

TODAY = datetime.now(UTC).date()
LATER = TODAY + timedelta(days=3)


@pytest.fixture
def people(db: None) -> Cast:
    return cast()


def test_days_are_whole_days_of_the_time_zone_also_when_the_clock_changes() -> None:
    # Berlin leaves summer time on 25 October 2026: that day has 25 hours.
    day = date(2026, 10, 25)
    assert start_of(day, "Europe/Berlin") == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert end_of(day, "Europe/Berlin") == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert start_of(day, "Asia/Tokyo") == datetime(2026, 10, 24, 15, tzinfo=UTC)


def test_the_day_back_and_the_local_time_are_said_in_the_persons_zone() -> None:
    moment = datetime(2026, 11, 27, 12, tzinfo=UTC)  # a Friday
    assert back_on(end_of(date(2026, 11, 29), "Europe/Berlin"), "Europe/Berlin", moment) == "Mon"
    assert back_on(end_of(date(2026, 12, 6), "Europe/Berlin"), "Europe/Berlin", moment) == "Mon 7 Dec"
    assert local_time("Asia/Tokyo", moment) == "21:00 JST"
    assert local_time("", moment) == ""


def test_an_absence_has_one_entry_in_the_log_and_ends_when_it_is_taken_back(people: Cast) -> None:
    before = AuditEntry.objects.count()
    absence = services.declare_absence(
        people.bob, user=people.bob, first_day=TODAY, last_day=LATER, deputy=people.kim, time_zone="UTC"
    )
    assert AuditEntry.objects.count() == before + 1
    assert set(queries.absences_at(now())) == {people.bob.pk}
    services.end_absence(people.bob, absence=absence)
    assert AuditEntry.objects.count() == before + 2
    assert queries.absences_at(now()) == {}
    with pytest.raises(Conflict) as refusal:
        services.end_absence(people.bob, absence=absence)
    assert refusal.value.code == "over"


def test_an_administrator_enters_it_for_somebody_and_nobody_else_does(people: Cast) -> None:
    services.declare_absence(people.erin, user=people.bob, first_day=TODAY, last_day=LATER)
    with pytest.raises(NotAllowed):
        services.declare_absence(people.carol, user=people.kim, first_day=TODAY, last_day=LATER)
    with pytest.raises(NotVisible):
        queries.absence_of(people.carol, Absence.objects.get().pk)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"first_day": LATER, "last_day": TODAY}, "bad_days"),
        ({"first_day": date(2020, 1, 1), "last_day": date(2020, 1, 2)}, "bad_days"),
        ({"first_day": TODAY, "last_day": TODAY + timedelta(days=400)}, "bad_days"),
        ({"first_day": date(9999, 12, 31), "last_day": date(9999, 12, 31)}, "bad_days"),
        ({"first_day": TODAY, "last_day": LATER, "time_zone": "Mars/Base"}, "bad_time_zone"),
        ({"first_day": TODAY, "last_day": LATER, "time_zone": "../../etc/passwd"}, "bad_time_zone"),
    ],
)
def test_days_and_zones_that_are_none_are_refused_by_name(people: Cast, words: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        services.declare_absence(people.bob, user=people.bob, **words)  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert not Absence.objects.exists()


def test_days_may_not_overlap_and_nobody_stands_in_for_themselves(people: Cast) -> None:
    services.declare_absence(people.bob, user=people.bob, first_day=TODAY, last_day=LATER)
    with pytest.raises(Conflict) as refusal:
        services.declare_absence(people.bob, user=people.bob, first_day=LATER, last_day=LATER)
    assert refusal.value.code == "overlaps"
    with pytest.raises(InvalidInput):
        services.declare_absence(people.kim, user=people.kim, first_day=TODAY, last_day=LATER, deputy=people.kim)
