"""What a deployment waited for, as steps of its list: each in words, with how long; what holds it now with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.clock import now
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.deployments.queries.waited import Waited, states_of, waited
from apps.presentation import spans

WORDS = {
    "not_defined": "its environment to be defined again",
    "schedule": "its time",
    "connection": "a connection",
    "locked": "a lock to end",
    "superseded": "a newer deployment",
    "rollback": "the roll-back of its change",
    "soak": "time to soak",
    "promotion": "the environment before it",
    "outside": "a push past the portal",
    "gate": "approval",
    "freeze": "a freeze to end",
    "window": "a window",
    "manual": "somebody to press Start",
    "lock": "its turn in the queue",
    "frozen": "the branch to be released",
    "verification": "the comparison of what landed",
    "not_judged": "the portal to tell what it waits for",
}
"""Code of a wait (deployments.queries.waits) → what follows “Waited for”."""


@dataclass(frozen=True, slots=True)
class WaitRow:
    """One line of the step list. ``since``: it holds now, counted as if in one piece; else ``length`` says how long it did."""

    label: str
    text: str
    seconds: float
    length: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class WaitRows:
    """``before`` the attempt that is shown; ``next``: before the one that has been asked for and has not begun."""

    before: tuple[WaitRow, ...]
    next: tuple[WaitRow, ...]


def wait_rows(deployment: Deployment, attempt: int) -> WaitRows:
    """For the page that shows ``attempt`` (0: none has begun)."""
    events, is_cut = states_of(deployment)
    comes = deployment.attempts + 1
    is_next = deployment.status == Status.PENDING and 0 < attempt == deployment.attempts
    return WaitRows(
        before=tuple(_row(one) for one in waited(events, max(attempt, 1), is_cut=is_cut)),
        next=tuple(_row(one) for one in waited(events, comes, is_cut=is_cut)) if is_next else (),
    )


def _row(one: Waited) -> WaitRow:
    what = WORDS.get(one.code, one.code.replace("_", " "))
    if one.since is not None:
        begin = one.since - timedelta(seconds=one.seconds)
        return WaitRow(f"Waiting for {what}", one.text, (now() - begin).total_seconds(), "", begin)
    length = f"{'at least ' if one.at_least else ''}{spans.length(one.seconds)}"
    return WaitRow(f"Waited for {what}", "", one.seconds, length, None)
