"""Windows and freezes in time: against a clock that is let run minute by minute, through every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.calendar import (
    Hold,
    Span,
    concerns,
    holds_at,
    next_edge,
    next_slot,
    span_after,
    span_at,
    spans_between,
)
from apps.policies.config import WindowConfig, parse_portal_yaml
from tests.support.timing import processor_seconds

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "UTC"]
MINUTE = timedelta(minutes=1)
# Days around the changes of the clocks of 2026 and 2027, and quiet ones.
DAYS = ["2026-03-08", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-11-01", "2027-03-13", "2026-06-10"]


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def allow(cron: str, hours: float = 8, zone: str = "Europe/Berlin", name: str = "w") -> WindowConfig:
    return WindowConfig(name, "allow", (), cron=cron, duration_seconds=int(hours * 3600), timezone=zone)


def freeze(start: str, end: str, name: str = "f", zone: str = "UTC") -> WindowConfig:
    return WindowConfig(name, "freeze", (), start=at(start, zone), end=at(end, zone))


def starts_by_the_clock(window: WindowConfig, start: datetime, end: datetime) -> list[datetime]:
    """An oracle without any arithmetic of time zones: a clock on the wall, and the latest time that it ever showed."""
    zone = ZoneInfo(window.timezone)
    moment = start - timedelta(hours=4)
    latest = moment.astimezone(zone).replace(tzinfo=None)
    found = []
    while moment < end:
        moment += MINUTE
        wall = moment.astimezone(zone).replace(tzinfo=None)
        shown = []
        while latest < wall:
            latest += MINUTE
            shown.append(latest)
        if any(croniter.match(window.cron, one) for one in shown) and start < moment <= end:
            found.append(moment)
    return found


schedules = st.builds(
    "{} {} * * {}".format,
    st.sampled_from(["0", "30", "15,45", "59"]),
    st.sampled_from(["0", "1", "2", "2,3", "9", "22", "*/6", "23"]),
    st.sampled_from(["*", "6,0", "1-5"]),
)
LENGTHS = st.sampled_from([0.25, 1, 8, 12.5, 30])  # hours


@settings(max_examples=25, deadline=None)
@given(schedules, st.sampled_from(ZONES), st.sampled_from(DAYS), LENGTHS)
def test_occurrences_are_those_of_a_clock_on_the_wall(cron: str, zone: str, day: str, hours: float) -> None:
    window = allow(cron, hours, zone)
    start = at(f"{day}T00:00")
    end = start + timedelta(days=2)
    wanted = starts_by_the_clock(window, start, end)
    found, moment = [], start
    while (span := span_after(window, moment)) is not None and span.start <= end:
        found.append(span.start)
        moment = span.start
    assert found == wanted


@settings(max_examples=40, deadline=None)
@given(schedules, st.sampled_from(ZONES), st.sampled_from(DAYS), st.integers(0, 2 * 1440), LENGTHS)
def test_a_window_is_open_exactly_within_its_elapsed_time(
    cron: str, zone: str, day: str, minute: int, h: float
) -> None:
    window = allow(cron, h, zone)
    moment = at(f"{day}T00:00") + minute * MINUTE
    length = timedelta(seconds=window.duration_seconds)
    begun = starts_by_the_clock(window, moment - length, moment)
    wanted = max((start for start in begun if start + length > moment), default=None)
    span = span_at(window, moment)
    assert (span.start if span else None) == wanted


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.builds(allow, schedules, st.floats(0.25, 12), st.sampled_from(ZONES)), max_size=2),
    st.lists(
        st.builds(
            lambda day, hours: WindowConfig(
                "f", "freeze", (), start=at("2026-10-24T00:00") + day, end=at("2026-10-24T00:00") + day + hours
            ),
            st.timedeltas(timedelta(0), timedelta(days=3)),
            st.timedeltas(timedelta(minutes=5), timedelta(days=2)),
        ),
        max_size=2,
    ),
    st.integers(0, 3 * 1440),
)
def test_the_next_slot_is_the_first_minute_that_nothing_holds(
    allows: list[WindowConfig], freezes: list[WindowConfig], minute: int
) -> None:
    windows = [*allows, *freezes]
    moment = at("2026-10-24T00:00") + minute * MINUTE
    slot = next_slot(windows, moment)
    assert slot is not None
    assert holds_at(windows, slot) == ()
    probe = moment
    while probe < slot and probe < moment + timedelta(days=4):
        assert holds_at(windows, probe), probe
        probe += timedelta(minutes=17)


def test_a_start_that_the_clocks_skip_takes_place_when_they_have_jumped() -> None:
    window = allow("30 2 * * *", 1)
    span = span_after(window, at("2026-03-29T00:00"))
    assert span == Span(at("2026-03-29T01:00"), at("2026-03-29T02:00"))  # 03:00 in Berlin


def test_a_start_that_comes_twice_takes_place_once() -> None:
    window = allow("30 2 * * *", 0.5)
    first = span_after(window, at("2026-10-24T22:00"))
    assert first is not None
    assert first.start == at("2026-10-25T00:30")  # summer time, the first of two
    second = span_after(window, first.start)
    assert second is not None
    assert second.start == at("2026-10-26T01:30")


def test_eight_hours_are_eight_hours_in_the_night_of_the_change() -> None:
    span = span_at(allow("0 22 * * *", 8), at("2026-10-25T03:59"))
    assert span is not None
    assert span.end - span.start == timedelta(hours=8)
    assert span.end.astimezone(ZoneInfo("Europe/Berlin")).hour == 5


def test_a_freeze_wins_over_an_open_window_and_both_are_named() -> None:
    windows = [allow("0 9 * * *", 8, "UTC"), freeze("2026-12-24T12:00", "2026-12-24T20:00", "eve")]
    assert holds_at(windows, at("2026-12-24T10:00")) == ()
    assert holds_at(windows, at("2026-12-24T13:00")) == (Hold("freeze", ("eve",), at("2026-12-24T20:00")),)
    late = holds_at(windows, at("2026-12-24T19:00"))
    assert [hold.kind for hold in late] == ["freeze", "allow"]
    assert next_slot(windows, at("2026-12-24T13:00")) == at("2026-12-25T09:00")


def test_the_end_of_a_freeze_is_not_frozen_and_its_start_is() -> None:
    one = freeze("2026-12-24T12:00", "2026-12-24T20:00")
    assert span_at(one, at("2026-12-24T12:00")) is not None
    assert span_at(one, at("2026-12-24T20:00")) is None


def test_a_window_that_never_opens_again_has_no_next_slot() -> None:
    past = WindowConfig("p", "allow", (), start=at("2020-01-01T00:00"), end=at("2020-01-02T00:00"))
    assert holds_at([past], at("2026-01-01T00:00")) == (Hold("allow", ("p",), None),)
    assert next_slot([past], at("2026-01-01T00:00")) is None


def test_windows_speak_of_their_environments_and_stages_only() -> None:
    one = WindowConfig("w", "freeze", ("production",), holds=("deploy",))
    assert concerns(one, "production", "deploy")
    assert not concerns(one, "staging", "deploy")
    assert not concerns(one, "production", "merge")
    assert concerns(WindowConfig("w", "freeze", (), holds=("merge",)), "staging", "merge")


def test_occurrences_that_touch_are_shown_as_one() -> None:
    found = spans_between(allow("0 * * * *", 1, "UTC"), at("2026-06-10T00:30"), at("2026-06-10T12:00"))
    assert found == [Span(at("2026-06-10T00:00"), at("2026-06-10T12:00"))]


def recurring(cron: str, minutes: int, kind: str = "freeze", zone: str = "Europe/Berlin") -> WindowConfig:
    return WindowConfig("w", kind, (), cron=cron, duration_seconds=minutes * 60, timezone=zone)


def test_freezes_that_touch_hold_without_a_hole_when_the_clocks_go_back() -> None:
    """The hour from 2 to 3 comes twice, and nothing held the second time."""
    window = recurring("0 * * * *", 60)
    assert [
        minute for minute in range(0, 300, 7) if not holds_at([window], at("2026-10-24T23:00") + minute * MINUTE)
    ] == []
    assert spans_between(window, at("2026-10-24T22:00"), at("2026-10-25T06:00")) == [
        Span(at("2026-10-24T22:00"), at("2026-10-25T06:00"))
    ]
    assert span_after(recurring("30 2 * * *", 15), at("2026-10-25T00:30")) == Span(
        at("2026-10-25T01:30"), at("2026-10-25T01:45")
    )


def test_a_schedule_of_every_minute_is_shown_to_the_end_and_costs_little() -> None:
    """It was cut after 2,000 occurrences, which were 33 hours, without a word."""
    start, end = at("2026-10-20T00:00"), at("2026-12-20T00:00")
    with processor_seconds(1):
        assert spans_between(recurring("* * * * *", 1), start, end) == [Span(start, end)]
    assert len(spans_between(recurring("*/2 * * * *", 1, zone="UTC"), start, start + timedelta(days=1))) == 720


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(schedules, st.sampled_from(["*/20 * * * *", "* 1-3 * * *", "5-50/7 2 * * *"])),
    st.sampled_from(["freeze", "allow"]),
    st.sampled_from(ZONES),
    st.sampled_from(DAYS),
    st.sampled_from([1, 7, 30, 60, 500]),
)
def test_what_is_shown_is_what_holds_minute_by_minute(cron: str, kind: str, zone: str, day: str, minutes: int) -> None:
    window = recurring(cron, minutes, kind, zone)
    start = at(f"{day}T18:00")
    shown = spans_between(window, start, start + timedelta(hours=18))
    for number in range(0, 18 * 60, 5):
        moment = start + number * MINUTE
        is_shown = any(span.start <= moment < span.end for span in shown)
        assert is_shown == (span_at(window, moment) is not None), moment


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("{name: w, kind: allow, cron: '0 0 30 2 *', duration: 1h}", "a day that never comes"),
        ("{name: w, kind: allow, cron: 'R R * * *', duration: 1h}", "no schedule"),
        ("{name: w, kind: freeze, from: 2026-01-01T00:00Z, to: '9999-12-31T23:59Z'}", "calendars here know"),
        ("{name: w, kind: freeze, from: 0001-01-01T00:00+01:00, to: 2026-01-01T00:00Z}", "calendars here know"),
        ("{name: w, kind: allow, cron: '61 0 * * *', duration: 1h}", "no schedule"),
        ("{name: w, kind: allow, cron: '0 0 * * *', duration: 1h, holds: [deploys]}", "nothing that a window holds"),
        ("{name: w, kind: allow, cron: '0 0 * * *', duration: 1h, override: [code-owners]}", "cannot stand here"),
        ("{name: w, kind: freeze, from: 2026-01-01T00:00Z}", "either `from` and `to`"),
    ],
)
def test_a_mistake_in_a_window_is_told(window: str, said: str) -> None:
    parsed = parse_portal_yaml(f"apiVersion: portal/v1\nwindows: [{window}]".encode())
    assert parsed.config is None
    assert any(said in problem.message for problem in parsed.problems), parsed.problems


def test_two_windows_of_one_name_are_refused() -> None:
    one = "{name: w, kind: allow, cron: '0 0 * * *', duration: 1h}"
    assert parse_portal_yaml(f"apiVersion: portal/v1\nwindows: [{one}, {one}]".encode()).config is None


@settings(max_examples=40, deadline=None)
@given(schedules, LENGTHS, st.sampled_from(ZONES), st.sampled_from(DAYS), st.integers(0, 23))
def test_until_the_next_edge_the_same_holds(cron: str, hours: float, zone: str, day: str, hour: int) -> None:
    moment = at(f"{day}T{hour:02}:17")
    windows = [allow(cron, hours, zone), freeze(f"{day}T10:00", f"{day}T20:00")]
    edge = next_edge(windows, moment)
    kinds = [hold.kind for hold in holds_at(windows, moment)]
    for number in range(1, 6 * 60, 7):
        later = moment + number * MINUTE
        if edge is not None and later >= edge:
            break
        assert [hold.kind for hold in holds_at(windows, later)] == kinds, later
    assert edge is None or edge > moment


def test_a_freeze_that_is_over_has_no_edge_any_more() -> None:
    windows = [freeze("2026-01-01T10:00", "2026-01-01T20:00")]
    assert next_edge(windows, at("2026-01-01T09:00")) == at("2026-01-01T10:00")
    assert next_edge(windows, at("2026-01-01T10:00")) == at("2026-01-01T20:00")
    assert next_edge(windows, at("2026-01-01T20:00")) is None
