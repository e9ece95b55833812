"""Whether what a change was made of to adopt drift is still found. Reads only; nothing is closed by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.changes.lifecycle import OPEN
from apps.changes.models import ChangeRequest
from apps.deployments.models import DriftAdoption, DriftCheck
from apps.deployments.models.drift import ADOPTING_BRANCH, ADOPTING_TITLE
from apps.deployments.queries.drift import NEVER, STALE, UNKNOWN, Drift, drift_of

DOUBTFUL = (NEVER, STALE, UNKNOWN)
State = DriftCheck.State


@dataclass(frozen=True, slots=True)
class Gone:
    """``since``: the first look that did not find it any more. ``is_other``: something else is found now."""

    since: datetime
    is_other: bool


def adopted_gone(change: ChangeRequest) -> Gone | None:
    """As :func:`gone_of`, of the adoption that an open change was made for; no query for any that looks like none."""
    looks_so = change.source_branch.startswith(ADOPTING_BRANCH) or change.title.startswith(ADOPTING_TITLE)
    if not looks_so or change.status not in OPEN:
        return None
    rows = DriftAdoption.objects.filter(change=change)
    row = rows.select_related("change", "environment__repository", "environment__live_deployment").first()
    return gone_of(row, drift_of([row.environment])[row.environment.pk]) if row is not None else None


def gone_of(row: DriftAdoption | None, drift: Drift) -> Gone | None:
    """``None`` while any of what the open change was made of is found, and where no look told of all of it lately.

    ``drift``: of its environment. Three queries at most.
    """
    if row is None or row.change is None or row.change.status not in OPEN or not row.marks or drift.state in DOUBTFUL:
        return None
    checks = DriftCheck.objects.filter(environment=row.environment)
    latest = list(checks.filter(is_latest=True).values_list("marks", "more", "why", "checked_at"))
    if any(more or why for _, more, why, _ in latest):
        return None  # what is not listed may be it
    found = {mark for marks, _, _, _ in latest for mark, _ in marks}
    if not found.isdisjoint(row.marks):
        return None
    return Gone(_since(row) or min(at for _, _, _, at in latest), bool(found))


def _since(row: DriftAdoption) -> datetime | None:
    """When the first look that told anything after the last one that found it was; ``None``: that is not kept any more."""
    checks = DriftCheck.objects.filter(environment=row.environment)
    drifted = checks.filter(state=State.DRIFTED, is_latest=False).order_by("-pk").values_list("pk", "marks")
    mine = set(row.marks)
    last = next((pk for pk, marks in drifted if any(mark in mine for mark, _ in marks)), None)
    if last is None:
        return None
    later = checks.filter(pk__gt=last, state__in=[State.IN_SYNC, State.DRIFTED]).order_by("pk")
    found = later.values_list("checked_at", "marks")
    return next((at for at, marks in found if not any(mark in mine for mark, _ in marks)), None)
