"""A change as one line of a list or a queue. A constant number of queries, whatever the length of the list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment
from apps.presentation.change_state import ChangeFacts, DeploymentFact, Standing, standing_of
from apps.reviews.models import Attention, VerdictSnapshot


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """``waiting_since``: since when somebody's turn is, else the last movement. ``turn``: why it is yours, or empty.

    ``met``/``needed`` and ``summary`` are the listed verdict; merging never reads them.
    """

    change: ChangeRequest
    standing: Standing
    waiting_since: datetime
    turn: str
    met: int
    needed: int
    summary: str

    @property
    def url(self) -> str:
        return f"/changes/{self.change.number}/"


def rows_of(user: User, changes: Iterable[ChangeRequest]) -> list[ChangeRow]:
    """The lines for ``changes`` in their order; three queries."""
    listed = list(changes)
    keys = [change.pk for change in listed]
    snapshots = {row.change_id: row for row in VerdictSnapshot.objects.filter(change__in=keys)}
    deployments = _deployments(keys)
    turns: dict[int, list[Attention]] = {}
    for turn in Attention.objects.filter(change__in=keys).order_by("since"):
        turns.setdefault(turn.change_id, []).append(turn)
    return [
        _row(user, change, snapshots.get(change.pk), deployments.get(change.pk, ()), turns.get(change.pk, []))
        for change in listed
    ]


def _deployments(keys: list[int]) -> dict[int, tuple[DeploymentFact, ...]]:
    """The newest deployment per change and environment."""
    newest: dict[tuple[int, int], DeploymentFact] = {}
    rows = Deployment.objects.filter(change__in=keys).order_by("number")
    for number, change, environment, name, status in rows.values_list(
        "number", "change_id", "environment_id", "environment__name", "status"
    ):
        newest[(change, environment)] = DeploymentFact(number, name, status)
    found: dict[int, tuple[DeploymentFact, ...]] = {}
    for (change, _), fact in newest.items():
        found[change] = (*found.get(change, ()), fact)
    return found


def _row(
    user: User,
    change: ChangeRequest,
    snapshot: VerdictSnapshot | None,
    deployments: tuple[DeploymentFact, ...],
    turns: list[Attention],
) -> ChangeRow:
    judged = snapshot if snapshot is not None and change.status == "in_review" else None
    facts = ChangeFacts(
        status=change.status,
        conflict=bool(change.revision and change.revision.conflicts),
        allowed=bool(judged and judged.allowed),
        met=judged.met if judged else 0,
        needed=judged.total if judged else 0,
        closed_reason=change.closed_reason,
        deployments=deployments,
    )
    mine = next((turn.reason for turn in turns if turn.user_id == user.pk), "")
    return ChangeRow(
        change=change,
        standing=standing_of(facts),
        waiting_since=turns[0].since if turns else change.updated_at,
        turn=mine,
        met=facts.met,
        needed=facts.needed,
        summary=judged.summary if judged else "",
    )
