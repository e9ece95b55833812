"""Renderings that wait for the runner of their environment."""

from __future__ import annotations

from django.conf import settings

from apps.changes.models import Rendering
from apps.changes.services import carry_out_plan
from apps.deployments.planning.runner import make_plan

MARGIN_SECONDS = 120
"""What a lease has beside the longest run: for writing out a repository, and for reading a large plan."""


def plans_due(limit: int) -> list[int]:
    """Of present revisions; nobody works on them."""
    rows = Rendering.objects.waiting(Rendering.Planner.RUNNER)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def plan(pk: int) -> None:
    """Plan one of them. Idempotent; two workers at once plan once."""
    carry_out_plan(pk, make=make_plan, seconds=settings.PORTAL_PLAN_SECONDS + MARGIN_SECONDS)
