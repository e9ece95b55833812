"""Which windows hold a gate now, and who let a change through them: facts for the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from apps.changes.effects.reading import Effects
from apps.changes.models import ChangeRequest, Revision
from apps.core.clock import now
from apps.policies import calendar
from apps.policies.config import FREEZE, MERGE, WindowConfig
from apps.policies.evaluation import HoldFact, OverrideFact
from apps.policies.queries import Policy
from apps.reviews.carry_over import is_same
from apps.reviews.effects import lost_to_effect
from apps.reviews.models import WindowOverride

OVERRIDE_LASTS = timedelta(hours=24)
"""An override is for now, not for good."""


def hold_facts(
    policy: Policy, stage: str, environments: Sequence[str], at: datetime | None = None
) -> tuple[HoldFact, ...]:
    """What holds a change that reaches ``environments`` (at the stage deploy: the one in question) at the moment ``at``, or now.

    At the merge a window is one hold, whichever of its environments are reached.
    """
    if not policy.config.windows:
        return ()
    moment = at or now()
    found: dict[tuple[str, tuple[str, ...], str], HoldFact] = {}
    for environment in environments:
        windows = windows_for(policy.config.windows, environment, stage)
        for hold in calendar.holds_at(windows, moment):
            fact = _fact(hold, windows, "" if stage == MERGE else environment, moment)
            found.setdefault((fact.kind, fact.windows, fact.environment), fact)
    return tuple(found.values())


def windows_for(windows: Iterable[WindowConfig], environment: str, stage: str) -> tuple[WindowConfig, ...]:
    """Those that speak of this environment and stage."""
    return tuple(window for window in windows if calendar.concerns(window, environment, stage))


def is_held_now(windows: Iterable[WindowConfig], environment: str, stage: str) -> bool:
    """Whether any window holds this gate of an environment at this moment, for whomever."""
    return bool(calendar.holds_at(windows_for(windows, environment, stage), now()))


def _fact(hold: calendar.Hold, windows: Sequence[WindowConfig], environment: str, moment: datetime) -> HoldFact:
    named = [window for window in windows if window.name in hold.windows]
    ends = hold.until if hold.kind == FREEZE else calendar.next_slot(windows, moment)
    until = calendar.words(ends, named[0].timezone) if ends is not None else ""
    principals = tuple(dict.fromkeys(name for window in named for name in window.override))
    return HoldFact(hold.kind, hold.windows, environment, until, principals)


def override_principals(policy: Policy) -> set[str]:
    """Names of all who could let something through."""
    return {name for window in policy.config.windows for name in window.override}


def override_facts(
    change: ChangeRequest, revision: Revision | None, effects: Effects | None, stage: str, environment: str
) -> tuple[OverrideFact, ...]:
    """Every override of this gate; it counts for the same content and effect only, and for a day."""
    rows = WindowOverride.objects.filter(change=change, stage=stage, environment=environment, withdrawn_at=None)
    rows = rows.select_related("revision")
    moment = now()
    return tuple(
        OverrideFact(
            row.given_by_id,
            tuple(row.windows),
            row.environment,
            counts=is_same(row.subject, row.revision, revision)
            and moment < row.created_at + OVERRIDE_LASTS
            and not lost_to_effect(row.effects, effects),
            reason=row.reason,
        )
        for row in rows
    )
