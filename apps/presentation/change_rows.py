"""A change as one line of a list or a queue. A constant number of queries, whatever the length of the list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment
from apps.presentation.change_state import ChangeFacts, DeploymentFact, Standing, standing_of
from apps.reviews.models import Attention, Review, VerdictSnapshot

COLUMNS = ("number", "change_id", "environment__name", "status", "manual_start", "waits")
"""What a line tells of a deployment."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """``waiting_since``: since when somebody's turn is, else the last movement. ``turn``: why it is yours, or empty.

    ``environments``: which ones it reaches; ``waits_for``: handles of those whose turn it is, the longest first.
    ``risk``: the gravest that the rendered effect brings, or empty. ``met``/``needed`` and ``summary`` are the listed verdict; merging never reads them.
    """

    change: ChangeRequest
    standing: Standing
    waiting_since: datetime
    turn: str
    met: int
    needed: int
    summary: str
    deployments: tuple[DeploymentFact, ...] = ()
    environments: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    risk: str = ""

    @property
    def url(self) -> str:
        return f"/changes/{self.change.number}/"


def rows_of(user: User, changes: Iterable[ChangeRequest]) -> list[ChangeRow]:
    """The lines for ``changes`` in their order; four queries."""
    listed = list(changes)
    keys = [change.pk for change in listed]
    snapshots = {row.change_id: row for row in VerdictSnapshot.objects.filter(change__in=keys)}
    deployments = _deployments(keys)
    objections = _objections(keys)
    turns: dict[int, list[Attention]] = {}
    for turn in Attention.objects.filter(change__in=keys).select_related("user").order_by("since"):
        turns.setdefault(turn.change_id, []).append(turn)
    return [
        _row(
            user,
            change,
            _facts(change, snapshots, deployments, objections),
            snapshots.get(change.pk),
            turns.get(change.pk, []),
        )
        for change in listed
    ]


def _objections(keys: list[int]) -> dict[int, int]:
    """How many requests for changes stand, by change."""
    latest: dict[tuple[int, int], bool] = {}
    rows = Review.objects.filter(change__in=keys, stage=Review.Stage.MERGE).exclude(verdict=Review.Verdict.COMMENT)
    columns = ("change_id", "reviewer_id", "verdict", "withdrawn_at")
    for change, person, verdict, withdrawn in rows.order_by("pk").values_list(*columns):
        latest[(change, person)] = verdict == Review.Verdict.REQUEST_CHANGES and withdrawn is None
    found: dict[int, int] = {}
    for (change, _), asks in latest.items():
        found[change] = found.get(change, 0) + asks
    return found


def _deployments(keys: list[int]) -> dict[int, tuple[DeploymentFact, ...]]:
    """The newest deployment per change and environment."""
    newest: dict[tuple[int, int], DeploymentFact] = {}
    rows = Deployment.objects.filter(change__in=keys).order_by("number")
    for row in rows.select_related("environment").only(*COLUMNS):
        newest[(row.change_id, row.environment_id)] = DeploymentFact(
            row.number, row.environment.name, row.status, row.only_start
        )
    found: dict[int, tuple[DeploymentFact, ...]] = {}
    for (change, _), fact in newest.items():
        found[change] = (*found.get(change, ()), fact)
    return found


def _facts(
    change: ChangeRequest,
    snapshots: dict[int, VerdictSnapshot],
    deployments: dict[int, tuple[DeploymentFact, ...]],
    objections: dict[int, int],
) -> ChangeFacts:
    judged = snapshots.get(change.pk) if change.status == "in_review" else None
    return ChangeFacts(
        status=change.status,
        conflict=bool(change.revision and change.revision.conflicts),
        allowed=bool(judged and judged.allowed),
        met=judged.met if judged else 0,
        needed=judged.total if judged else 0,
        objections=objections.get(change.pk, 0),
        closed_reason=change.closed_reason,
        deployments=deployments.get(change.pk, ()),
    )


def _row(
    user: User, change: ChangeRequest, facts: ChangeFacts, snapshot: VerdictSnapshot | None, turns: list[Attention]
) -> ChangeRow:
    mine = next((turn.reason for turn in turns if turn.user_id == user.pk), "")
    return ChangeRow(
        change=change,
        standing=standing_of(facts),
        waiting_since=turns[0].since if turns else change.updated_at,
        turn=mine,
        met=facts.met,
        needed=facts.needed,
        summary=snapshot.summary if snapshot and facts.needed else "",
        deployments=facts.deployments,
        environments=tuple(snapshot.environments) if snapshot else (),
        waits_for=tuple(turn.user.username for turn in turns if turn.user_id != user.pk),
        risk=snapshot.risk if snapshot else "",
    )
