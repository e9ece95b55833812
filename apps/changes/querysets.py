"""Chainable filters of the changes context."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery

from apps.changes.lifecycle import FOLLOWS_GIT, OPEN, Status
from apps.core.clock import now
from apps.core.leases import LeasedQuerySet, is_free
from apps.core.querysets import CasQuerySet
from apps.repositories.models import BranchTip, RefUpdate, Repository

if TYPE_CHECKING:
    from apps.changes.models import ChangeRequest, Inverse, OutsideChange, Overlap, Rendering, Revision  # noqa: F401

RETRY_INVERSES = timedelta(minutes=10)
"""After so long an inverse that could not be computed is tried again."""


class ChangeQuerySet(CasQuerySet["ChangeRequest"]):
    def visible_to(self, user: Any) -> ChangeQuerySet:
        """Changes of the repositories that ``user`` may see."""
        return self.filter(repository__in=Repository.objects.visible_to(user))

    def open(self) -> ChangeQuerySet:
        return self.filter(status__in=[str(status) for status in OPEN])

    def following(self) -> ChangeQuerySet:
        """Changes of which a push makes a new revision; what is adopted happened already, and stays what it was."""
        return self.filter(status__in=[str(status) for status in FOLLOWS_GIT]).exclude(kind="adoption")

    def behind_git(self) -> ChangeQuerySet:
        """Changes whose branches are not where the latest revision says, and no recorded movement waits."""
        waiting = RefUpdate.objects.untaken().filter(repository=OuterRef("repository"))
        rows = (
            self.following()
            .filter(~Exists(waiting))
            .annotate(source_tip=_tip("source_branch"), target_tip=_tip("target_branch"))
        )
        has_source = ~Q(source_branch="")
        pushed = Q(source_tip__isnull=False) & ~Q(source_tip=F("revision__head_oid"))
        recreated = Q(source_tip__isnull=False, source_deleted_at__isnull=False)
        deleted = Q(source_tip__isnull=True, source_deleted_at__isnull=True)
        moved = Q(target_tip__isnull=False) & ~Q(target_tip=F("revision__target_oid"))
        return rows.filter((has_source & (pushed | recreated | deleted)) | moved)


def _tip(branch: str) -> Subquery:
    rows = BranchTip.objects.filter(repository=OuterRef("repository"), name=OuterRef(branch))
    return Subquery(rows.values("oid")[:1])


class RevisionQuerySet(models.QuerySet["Revision"]):
    def beside(self, repository_id: int, target_branch: str) -> RevisionQuerySet:
        """Present revisions of open changes that go to this branch; what is adopted is there already."""
        alive = [str(status) for status in (*FOLLOWS_GIT, Status.MERGING)]
        rows = self.filter(change__repository=repository_id, change__status__in=alive, change__revision=F("pk"))
        return rows.filter(target_branch=target_branch).exclude(change__kind="adoption")

    def without_rendering_plan(self) -> RevisionQuerySet:
        """Present revisions of changes on their way of which it is not known which targets they reach."""
        alive = [str(status) for status in (*FOLLOWS_GIT, Status.MERGING, Status.MERGED)]
        return self.filter(change__revision=F("pk"), change__status__in=alive, rendering_plan=None)

    def without_inverse(self) -> RevisionQuerySet:
        """Present revisions of changes on their way of which it is not known how they are undone."""
        alive = [str(status) for status in (*FOLLOWS_GIT, Status.MERGING, Status.MERGED)]
        long_failed = Q(inverse__state="failed", inverse__computed_at__lt=now() - RETRY_INVERSES)
        rows = self.filter(change__revision=F("pk"), change__status__in=alive, rendering_plan__isnull=False)
        return rows.filter(Q(inverse=None) | long_failed).exclude(result_tree="")


class RenderingQuerySet(LeasedQuerySet["Rendering"]):
    def waiting(self, planned_by: str = "here") -> RenderingQuerySet:
        """Renderings of present revisions that nobody works on, of those that are found out by ``planned_by``."""
        rows = self.filter(state="queued", planned_by=planned_by, revision__change__revision=F("revision"))
        return rows.filter(is_free())


class OutsideChangeQuerySet(models.QuerySet["OutsideChange"]):
    def open(self) -> OutsideChangeQuerySet:
        """What is still on its branch, neither adopted nor reverted."""
        return self.filter(settled_at=None)


class OverlapQuerySet(LeasedQuerySet["Overlap"]):
    def present(self) -> OverlapQuerySet:
        """Of the present revisions of changes that are not merged or given up."""
        sides = ("first", "second")
        rows = self.filter(**{f"{side}__change__revision": F(side) for side in sides})
        return rows.filter(**{f"{side}__change__status__in": [str(status) for status in OPEN] for side in sides})

    def waiting(self) -> OverlapQuerySet:
        """Those that nobody compares, and that can be compared: both go onto one and the same tip."""
        rows = self.present().filter(state="queued", first__target_oid=F("second__target_oid"))
        return rows.filter(is_free())


class InverseQuerySet(models.QuerySet["Inverse"]):
    def behind(self) -> InverseQuerySet:
        """Those that were computed for another tip of their branch than the recorded one."""
        rows = BranchTip.objects.filter(
            repository=OuterRef("revision__change__repository"), name=OuterRef("revision__target_branch")
        )
        return self.annotate(now_at=Subquery(rows.values("oid")[:1])).exclude(now_at=None).exclude(tip=F("now_at"))
