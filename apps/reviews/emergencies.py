"""Reading emergencies: which one is in force, what it means for a gate, and what is owed afterwards."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from apps.changes.earlier_states import is_earlier_state, is_state_of
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.reading import once_per_read
from apps.policies import calendar
from apps.policies.config import EmergencyConfig
from apps.policies.evaluation import EmergencyFact
from apps.policies.queries import Policy
from apps.repositories.models import Repository
from apps.reviews.carry_over import is_same
from apps.reviews.models import Emergency

LASTS = timedelta(hours=1)


@once_per_read
def emergencies_of(change: ChangeRequest) -> tuple[Emergency, ...]:
    """All that were declared of ``change``, the oldest first, with who declared them and of which revision; one query."""
    return tuple(change.emergencies.select_related("declared_by", "revision").order_by("pk"))


def emergency_in_force(change: ChangeRequest) -> Emergency | None:
    """The newest one that was neither ended nor expired, and that is for the content of the present revision."""
    row = emergency_that_opened(change)
    return row if row is not None and row.expires_at > now() else None


def emergency_that_opened(change: ChangeRequest) -> Emergency | None:
    """The same, for a gate that was just judged to be open by it: its hour may have ended between the verdict and its note."""
    row = next((row for row in reversed(emergencies_of(change)) if row.ended_at is None), None)
    return row if row is not None and is_same(row.subject, row.revision, change.revision) else None


def emergency_fact(row: Emergency | None, policy: Policy) -> EmergencyFact | None:
    """What the verdict is told; nothing where the policy knows no emergencies (any more)."""
    config = policy.config.emergency
    if row is None or config is None:
        return None
    return EmergencyFact(
        declared_by=row.declared_by_id,
        reason=row.reason if row.reason.endswith((".", "!", "?")) else f"{row.reason}.",
        confirmed=tuple(row.confirmations.values_list("person", flat=True)),
        approvals=config.approvals,
        principals=config.from_,
        until=calendar.words(row.expires_at, "UTC"),
        owed=_owed(row, config),
    )


def _owed(row: Emergency, config: EmergencyConfig) -> str:
    by = row.review_by or now() + timedelta(seconds=config.review_within_seconds)
    return f"until {calendar.words(by, 'UTC')}"


def restores_earlier_state(change: ChangeRequest) -> bool:
    """Whether a rollback goes back to what was approved and live before; what went by an emergency is neither until reviewed."""
    owed = Emergency.objects.owed().filter(change__repository=change.repository_id)
    return is_earlier_state(change, but=list(owed.values_list("change", flat=True)))


def restores_state(
    repository: Repository,
    branch: str,
    tree: str,
    environments: Collection[str],
    *,
    undone: ChangeRequest | None = None,
) -> bool:
    """The same question before there is a change: whether merging ``tree``, which takes ``undone`` out, goes back to such a state."""
    owed = Emergency.objects.owed().filter(change__repository=repository)
    but = list(owed.values_list("change", flat=True))
    return is_state_of(repository, branch, tree, environments, undone=undone, but=but)


def open_debt(change: ChangeRequest) -> Emergency | None:
    """An emergency of ``change`` that was used, and whose rules are not met yet."""
    return next((row for row in emergencies_of(change) if row.review_by and not row.paid_at), None)
