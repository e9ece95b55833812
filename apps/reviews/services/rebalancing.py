"""Moving open, not begun requests from busy people to others: what a maintainer saw before, and nothing else."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.repositories.models import Repository
from apps.reviews import access
from apps.reviews.asking import end
from apps.reviews.balancing import Move, rebalancing_plan
from apps.reviews.models import Assignment
from apps.reviews.services.assigning import require_able
from apps.reviews.transitions import end_turn, mark_stale


@transaction.atomic
def rebalance(actor: User, *, repository: Repository, moves: Collection[str]) -> tuple[Move, ...]:
    """Carry out ``moves`` (keys of a plan that was shown) all together, or none of them.

    The plan is made again inside the transaction; a move that is not in it any more (somebody began,
    declined or went away) is a Conflict ``plan_moved``. InvalidInput ``nothing_chosen``.
    """
    access.can_rebalance(actor, repository).require()
    wanted = set(moves)
    if not wanted:
        raise InvalidInput("nothing_chosen", "Choose at least one request to move.", field="moves")
    plan = {move.key: move for move in rebalancing_plan(repository)}
    gone = sorted(wanted - set(plan))
    if gone:
        raise Conflict(
            "plan_moved", "The open reviews changed since this plan was made. Look at the new one.", moves=gone
        )
    chosen = tuple(move for key, move in plan.items() if key in wanted)
    for move in chosen:
        _carry_out(actor, repository, move)
    audit.record(
        Actor.of(actor),
        "repository.reviews_rebalanced",
        repository=repository.name,
        target=repository.name,
        summary=f"{actor.username} moved {len(chosen)} requests to review in {repository.name}",
        data={"moves": [{"change": row.number, "from": row.name, "to": row.to, "why": row.why} for row in chosen]},
    )
    return chosen


def _carry_out(actor: User, repository: Repository, move: Move) -> None:
    change = (
        ChangeRequest.objects.select_for_update(of=("self",), no_key=True)
        .select_related("repository")
        .get(repository=repository, number=move.number)
    )
    rows = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None)
    row = rows.filter(user__username=move.name).select_related("user").first()
    if row is None or rows.filter(user__username=move.to).exists():
        raise Conflict("plan_moved", f"Who is asked on {change.label} changed at this moment. Look at the new plan.")
    to = User.objects.get(username=move.to)
    require_able(to, change, Assignment.Duty.REVIEW, field="moves")
    end(row, Assignment.Ending.MOVED, f"moved to @{move.to} by {actor.username}: {move.why}")
    Assignment.objects.create(
        change=change,
        user=to,
        duty=Assignment.Duty.REVIEW,
        origin=row.origin,
        reason=row.reason,
        assigned_by=actor,
        created_at=now(),
    )
    end_turn(change, row.user)
    mark_stale(change)
