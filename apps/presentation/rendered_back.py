"""What going back changes in the rendered resources: between two states that an environment ran, so it is exact. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.deployments.models import Deployment
from apps.presentation.board import side_of
from apps.presentation.comparison_page import Asked, Comparison, comparison_page


@dataclass(frozen=True, slots=True)
class RenderedBack:
    """From what the environment of ``then`` runs now to what it ran with ``then``."""

    then: Deployment
    comparison: Comparison


def rendered_back(user: User, then: Deployment | None) -> RenderedBack | None:
    """``None`` where the state was never live there (``then`` is none), where it still is, so that what failed over it is all
    that goes, and where nothing of it is rendered.
    """
    if then is None or then.ended_at is None or then.pk == then.environment.live_deployment_id:
        return None
    place = side_of(then.environment)
    found = comparison_page(user, Asked(place, place, end_at=then.ended_at.isoformat()))
    return RenderedBack(then, found) if found.targets else None
