"""What somebody who opens a change has to know about its merge: it waits, or it was stopped."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.deployments.models import MergeIntent
from apps.deployments.queries import last_merge, why_it_waits

ALARMS = frozenset({"claimed_elsewhere"})
QUIET = frozenset({"aborted", "target_moved"})
"""Ends of a merge that need no box: somebody wanted it, or a new revision tells it."""


@dataclass(frozen=True, slots=True)
class MergeNotice:
    """``is_alarm``: something is wrong that does not pass by itself."""

    title: str
    text: str
    is_alarm: bool = False


def merge_notice(change: ChangeRequest) -> MergeNotice | None:
    """For a change in review or in the middle of merging; one query."""
    if change.status not in {"in_review", "merging"}:
        return None
    intent = last_merge(change)
    if intent is None:
        return None
    waits = why_it_waits(intent)
    if waits:
        return MergeNotice("The merge waits.", waits, is_alarm=bool(intent.outcome.get("stuck")))
    return _returned(change, intent)


def _returned(change: ChangeRequest, intent: MergeIntent) -> MergeNotice | None:
    code = intent.outcome.get("code", "")
    if intent.state != MergeIntent.State.RETURNED or code in QUIET or not code:
        return None
    if code not in ALARMS and intent.revision_id != change.revision_id:
        return None
    return MergeNotice("The merge was stopped.", str(intent.outcome["message"]), is_alarm=code in ALARMS)
