"""When a window opens, in words that a reader of the page needs no manual for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from croniter import croniter

from apps.policies.config import parse_portal_yaml, window_words
from apps.policies.config.recurrence import DAYS, recurrence_words

H = 60


@pytest.mark.parametrize(
    ("cron", "minutes", "words"),
    [
        ("0 0 * * 0", 5 * 24 * H, "every week from Sunday 00:00 to Friday 00:00"),
        ("30 18 * * fri", 62 * H, "every week from Friday 18:30 to Monday 08:30"),
        ("0 9 * * 1-5", 8 * H, "Monday to Friday from 09:00 to 17:00"),
        ("0 9 * * 1,2,4", 8 * H, "Monday, Tuesday and Thursday from 09:00 to 17:00"),
        ("0 22 * * *", 8 * H, "every day from 22:00 to 06:00 of the next day"),
        ("0 16 * * SAT", 8 * H, "every Saturday from 16:00 to 24:00"),
        ("0 0 * * 7", H, "every Sunday from 00:00 to 01:00"),
        ("0  9 * *  6-7", H, "Saturday to Sunday from 09:00 to 10:00"),
    ],
)
def test_the_usual_forms_are_said_as_people_say_them(cron: str, minutes: int, words: str) -> None:
    assert recurrence_words(cron, minutes) == words
    assert croniter.is_valid(cron)


@pytest.mark.parametrize(
    ("cron", "minutes"),
    [
        ("*/5 9 * * 1", H), ("0 9 1 * *", H), ("0 9 * 6 1", H), ("0 9-11 * * 1", H), ("0 9 * * 1#2", H), ("0 9 * * L5", H),
        ("0 9 * * 5-1", H), ("0 9 * * 1-5", 30 * H), ("0 9 * * 1", 7 * 24 * H), ("nonsense", H), ("", 0),
    ],
)  # fmt: skip
def test_what_is_no_such_form_is_shown_as_it_was_written(cron: str, minutes: int) -> None:
    assert recurrence_words(cron, minutes) == ""


@pytest.mark.parametrize("day", range(8))
def test_the_days_are_those_of_the_calendar(day: int) -> None:
    opens = croniter(f"0 9 * * {day}", datetime(2026, 11, 30, tzinfo=UTC)).get_next(datetime)
    assert recurrence_words(f"0 9 * * {day}", H).startswith(f"every {opens:%A} ")
    assert DAYS[day % 7] == f"{opens:%A}"


def test_a_window_of_portal_yaml_in_words() -> None:
    text = """\
apiVersion: portal/v1
environments: {prod: {}}
windows:
  - {name: sale, kind: freeze, environments: [prod], from: 2026-12-04T18:00+01:00, to: 2026-12-07T08:00Z, override: [team/release]}
  - {name: days, kind: allow, environments: [prod], cron: "0 9 * * 1-5", duration: 8h, timezone: Europe/Berlin}
  - {name: odd, kind: allow, environments: [prod], cron: "*/30 9 * * 1-5", duration: 90s, timezone: Europe/Berlin}
"""
    found = parse_portal_yaml(text.encode())
    assert found.config is not None, found.problems
    sale, days, odd = map(window_words, found.config.windows)
    assert sale.startswith("frozen from 4 Dec 2026, 18:00 (UTC+01:00) to 7 Dec 2026, 08:00 (UTC), in prod, ")
    assert sale.endswith("team/release may let a change through")
    assert days.startswith("allowed only Monday to Friday from 09:00 to 17:00 (Europe/Berlin), in prod, ")
    assert odd.startswith("allowed only at “*/30 9 * * 1-5” for 1m30s (Europe/Berlin), ")
