"""That a gate was opened by an emergency, written where it opens."""

from __future__ import annotations

from apps.changes.models import ChangeRequest
from apps.policies.config import DEPLOY, MERGE
from apps.reviews.emergencies import emergency_that_opened
from apps.reviews.facts import policy_of
from apps.reviews.transitions import use_emergency


def note_emergency(change: ChangeRequest, environment: str = "") -> None:
    """From now on the rules of this gate are owed. To be called in the transaction of a verdict that an emergency opened."""
    config = policy_of(change).config.emergency
    row = emergency_that_opened(change) if config is not None else None
    if row is None or config is None:
        return
    stage = DEPLOY if environment else MERGE
    use_emergency(change, row, stage=stage, environment=environment, review_within_seconds=config.review_within_seconds)
