"""Past verdicts, each replayed from its record: the merge of a change, and every start of its deployments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.changes.models import ChangeRequest
from apps.deployments.models import Attempt, GateAlong, MergeIntent
from apps.policies.evaluation import CannotEvaluate, replay


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """A gate that opened. ``what``: ``merge``, or the label of the attempt that started or that brought the change along; ``verdict``
    as it was stored, without its inputs.

    ``is_equal``: judging the stored facts by the stored rules again gives exactly this. ``problem``: why that was not possible.
    """

    change: ChangeRequest
    what: str
    environment: str
    at: datetime
    verdict: dict[str, Any]
    is_equal: bool
    problem: str = ""

    @property
    def summary(self) -> str:
        return str(self.verdict.get("summary", ""))


def past_verdicts(change: ChangeRequest | None = None) -> Iterator[PastVerdict]:
    """Of one change, or of all: merges, starts, and starts of what brought a change along; of each the oldest first."""
    merges = MergeIntent.objects.select_related("change").order_by("pk")
    attempts = Attempt.objects.exclude(verdict={}).select_related("deployment__change", "deployment__environment")
    along = GateAlong.objects.select_related("change", "attempt__deployment__environment").order_by("pk")
    if change is not None:
        merges, attempts, along = (
            merges.filter(change=change), attempts.filter(deployment__change=change), along.filter(change=change),
        )  # fmt: skip
    for intent in merges.iterator():
        yield _replayed(intent.change, "merge", "", intent.created_at, intent.verdict)
    if change is not None and not change.merge_commit:  # nothing of it can have started
        return
    for row in attempts.order_by("pk").iterator():
        yield _started(row, row.deployment.change, row.verdict)
    for one in along.iterator():
        yield _started(one.attempt, one.change, one.verdict)


def _started(attempt: Attempt, change: ChangeRequest, stored: dict[str, Any]) -> PastVerdict:
    return _replayed(change, attempt.label, attempt.deployment.environment.name, attempt.started_at, stored)


def _replayed(change: ChangeRequest, what: str, environment: str, at: datetime, stored: dict[str, Any]) -> PastVerdict:
    verdict = {key: value for key, value in stored.items() if key != "inputs"}
    try:
        again = replay(stored.get("inputs", {})).to_dict()
    except CannotEvaluate as error:
        return PastVerdict(change, what, environment, at, verdict, is_equal=False, problem=str(error))
    return PastVerdict(change, what, environment, at, verdict, is_equal=again == verdict)
