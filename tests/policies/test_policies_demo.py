"""The policy of the demo organisation: valid whenever its story is told, and nothing in that is held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.demo.story.setting import CONTENT, POLICY, windows
from apps.policies.calendar import concerns, holds_at, span_after, span_at
from apps.policies.config import WindowConfig, parse_portal_yaml

START = datetime(2026, 10, 20, 22, 30, tzinfo=UTC)
"""A week before the clocks change in Europe."""


def told_at(moment: datetime) -> tuple[WindowConfig, ...]:
    parsed = parse_portal_yaml((CONTENT / POLICY).read_bytes() + windows(moment).encode())
    assert [found for found in parsed.problems if found.path != "runbooks"] == []
    assert parsed.config is not None
    assert parsed.config.standards
    return tuple(window for window in parsed.config.windows if concerns(window, "production", "deploy"))


@pytest.mark.parametrize("hours", range(0, 24 * 15, 5))
def test_nothing_is_held_while_the_story_is_told_and_a_freeze_is_near(hours: int) -> None:
    moment = START + timedelta(hours=hours)
    freeze, weekly = told_at(moment)
    assert (freeze.kind, weekly.kind) == ("freeze", "allow")
    for later in range(25):
        assert holds_at((freeze, weekly), moment + timedelta(hours=later)) == ()
    begins = span_after(freeze, moment)
    assert begins is not None
    assert timedelta(days=1) < begins.start - moment < timedelta(days=9)
    assert holds_at((freeze, weekly), begins.start)[0].windows == ("the sale",)
    closed = moment + timedelta(days=5)
    assert span_at(weekly, closed) is None, "it is a window of each week, not one that is always open"
    assert span_after(weekly, closed) is not None
