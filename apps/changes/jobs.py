"""Background work of the changes context."""

from __future__ import annotations

from django.db.models import F

from apps.changes.models import ChangeRequest, Overlap, RenderedSide, Rendering, RenderingPlan, Revision
from apps.changes.services import (
    INVERT,
    KEEP_SIDES,
    RENDER,
    compute_inverse,
    follow_branches,
    forget_side,
    plan_renderings,
    render,
    restore_pins,
    take_update,
)
from apps.changes.services.overlaps import COMPARE, compare_overlap, find_overlaps
from apps.changes.transitions import PLAN_RENDERINGS
from apps.core.clock import now
from apps.core.work import Job
from apps.repositories.models import RefUpdate, Repository


def repositories_with_updates(limit: int) -> list[int]:
    rows = RefUpdate.objects.untaken().order_by("repository").values_list("repository", flat=True).distinct()
    return list(rows[:limit])


def take_ref_updates(repository_id: int) -> None:
    """Take the branch movements of one repository in their order."""
    pending = RefUpdate.objects.untaken().filter(repository=repository_id).order_by("pk")
    for update_id in list(pending.values_list("pk", flat=True)):
        take_update(update_id)


def changes_behind(limit: int) -> list[int]:
    """Changes whose latest revision is not at the recorded tips, although nothing is left to be taken."""
    return list(ChangeRequest.objects.behind_git().values_list("pk", flat=True)[:limit])


def repositories_without_pins(limit: int) -> list[int]:
    return list(Repository.objects.without_pins().values_list("pk", flat=True)[:limit])


def revisions_without_plan(limit: int) -> list[int]:
    """Present revisions of which nobody has looked which targets they reach."""
    return list(Revision.objects.without_rendering_plan().values_list("pk", flat=True)[:limit])


def renderings_waiting(limit: int) -> list[int]:
    return list(Rendering.objects.waiting().order_by("pk").values_list("pk", flat=True)[:limit])


def plans_uncompared(limit: int) -> list[int]:
    """Plans of present revisions whose targets are all done, and for which nobody looked what else touches the same."""
    busy = Rendering.objects.filter(state=Rendering.State.QUEUED, planned_by=Rendering.Planner.HERE)
    rows = RenderingPlan.objects.filter(
        compared_at=None,
        revision__change__revision=F("revision"),
        revision__change__in=ChangeRequest.objects.following(),
    )
    return list(rows.exclude(revision__in=busy.values("revision")).order_by("pk").values_list("pk", flat=True)[:limit])


def overlaps_waiting(limit: int) -> list[int]:
    return list(Overlap.objects.waiting().order_by("pk").values_list("pk", flat=True)[:limit])


def revisions_without_inverse(limit: int) -> list[int]:
    """Present revisions whose effect is there, and of which it is not known how they would be undone."""
    busy = Rendering.objects.filter(state=Rendering.State.QUEUED, planned_by=Rendering.Planner.HERE)
    rows = Revision.objects.without_inverse().exclude(pk__in=busy.values("revision"))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def sides_unused(limit: int) -> list[int]:
    rows = RenderedSide.objects.filter(used_at__lt=now() - KEEP_SIDES)
    return list(rows.order_by("used_at").values_list("pk", flat=True)[:limit])


JOBS = (
    Job(name="changes.take_ref_updates", due=repositories_with_updates, run=take_ref_updates, every=2.0),
    Job(name="changes.follow_branches", due=changes_behind, run=follow_branches, every=10.0),
    Job(name=PLAN_RENDERINGS, due=revisions_without_plan, run=plan_renderings, every=5.0),
    Job(name=RENDER, due=renderings_waiting, run=render, every=5.0, slow=True),
    Job(name="changes.find_overlaps", due=plans_uncompared, run=find_overlaps, every=5.0),
    Job(name=COMPARE, due=overlaps_waiting, run=compare_overlap, every=10.0, slow=True),
    Job(name=INVERT, due=revisions_without_inverse, run=compute_inverse, every=3.0, slow=True),
    Job(name="changes.forget_sides", due=sides_unused, run=forget_side, every=3600.0),
    Job(name="changes.restore_pins", due=repositories_without_pins, run=restore_pins, every=30.0, slow=True),
)
