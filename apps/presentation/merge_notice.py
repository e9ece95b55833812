"""What somebody who opens a change has to know about its merge: it waits, or it was stopped."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.deployments.models import MergeIntent
from apps.deployments.queries import last_merge, open_freeze, why_it_waits
from apps.deployments.queries.freezes import words_of

SHOWN = frozenset({"in_review", "merging", "merged"})
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
    """For a change that is open, or merged and not done; two queries."""
    if change.status not in SHOWN:
        return None
    freeze = open_freeze(change.repository_id, change.target_branch)
    if freeze is not None:
        return MergeNotice(f"{freeze.branch} is frozen.", words_of(freeze), is_alarm=True)
    intent = last_merge(change)
    if intent is None:
        return None
    if intent.verification == MergeIntent.Verification.FAILED:
        return MergeNotice("What landed is not what was approved.", str(intent.outcome["message"]), is_alarm=True)
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
