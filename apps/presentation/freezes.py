"""Freezes that hold deployments to an environment: until when, and for how long what is said of them is true."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.clock import now
from apps.policies import calendar
from apps.policies.config import DEPLOY, FREEZE
from apps.policies.queries import Policy
from apps.presentation.moments import seconds_until
from apps.reviews.holds import windows_for


@dataclass(frozen=True, slots=True)
class Freeze:
    """``until``: in words when it ends; empty: none holds. ``lasts``: for how many seconds that stays so; ``None``: for good."""

    until: str = ""
    lasts: int | None = None


def freeze_of(policy: Policy | None, name: str) -> Freeze:
    """The freezes that ``policy`` puts on the environment ``name``, as they stand now."""
    windows = windows_for(policy.config.windows, name, DEPLOY) if policy is not None else ()
    freezes = [window for window in windows if window.kind == FREEZE]
    if not freezes:
        return Freeze()
    moment = now()
    lasts = seconds_until(calendar.next_edge(freezes, moment))
    ends = [hold.until for hold in calendar.holds_at(freezes, moment)]
    if not ends:
        return Freeze("", lasts)
    known = [end for end in ends if end is not None]
    until = calendar.words(max(known), freezes[0].timezone) if len(known) == len(ends) else "nobody knows when"
    return Freeze(until, lasts)
