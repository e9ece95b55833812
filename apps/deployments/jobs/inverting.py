"""How what is live would be undone is computed anew when its branch has moved."""

from __future__ import annotations

from apps.changes.models import Inverse
from apps.changes.services import compute_inverse
from apps.deployments.models import Environment


def inverses_behind(limit: int) -> list[int]:
    """Revisions that are live somewhere, whose inverse was computed on an earlier tip."""
    live = Environment.objects.filter(live_deployment__isnull=False).values("live_deployment__change__revision")
    rows = Inverse.objects.behind().filter(revision__in=live)
    return list(rows.order_by("pk").values_list("revision", flat=True)[:limit])


def invert_again(revision_id: int) -> None:
    """One of them."""
    compute_inverse(revision_id)
