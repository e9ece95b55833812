"""What one target is in two environments, or in one at two times: rendered in the background, and kept."""

from __future__ import annotations

from django.db import models

from apps.core.fields import OidField
from apps.core.leases import Leased
from apps.deployments.models.environments import Environment
from apps.deployments.querysets import TargetComparisonQuerySet


class TargetComparison(Leased):
    """One target compared between two sides; ``key`` names everything that the result depends on.

    ``document``: the difference with a reason for each part of it, redacted and compressed.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RENDERED = "rendered"
        FAILED = "failed"

    key = models.CharField(max_length=64, unique=True)
    from_environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    to_environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    from_commit = OidField()
    to_commit = OidField()
    target = models.CharField(max_length=100)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    message = models.TextField(blank=True)  # why it could not be rendered, without secrets
    document = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = TargetComparisonQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["state"], name="comparisons_by_state")]

    def __str__(self) -> str:
        return self.target
