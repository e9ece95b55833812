"""Target branches to which nothing goes until a person has looked."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.fields import OidField
from apps.deployments.querysets import TargetFreezeQuerySet

USER = settings.AUTH_USER_MODEL


class TargetFreeze(models.Model):
    """What landed was not what was approved: nothing is merged into ``branch`` and nothing from it is started."""

    repository = models.ForeignKey("repositories.Repository", on_delete=models.CASCADE, related_name="target_freezes")
    branch = models.CharField(max_length=250)
    change = models.ForeignKey(
        "changes.ChangeRequest", on_delete=models.PROTECT, null=True, blank=True, related_name="target_freezes"
    )
    commit = OidField()
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    lift_reason = models.CharField(max_length=500, blank=True)

    objects = TargetFreezeQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "branch"], condition=Q(lifted_at=None), name="one_freeze_per_target"
            )
        ]

    def __str__(self) -> str:
        return self.branch
