"""Letting one change through a freeze or outside its windows."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.reviews.models.verdicts import Review

USER = settings.AUTH_USER_MODEL


class WindowOverride(models.Model):
    """A person lets one change through ``windows``, for what it is now. Rows are only added, and taken back."""

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="window_overrides")
    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=6, choices=Review.Stage.choices)
    environment = models.CharField(max_length=63, blank=True)  # empty: at the merge
    windows = models.JSONField()  # names
    reason = models.CharField(max_length=500)
    subject = models.CharField(max_length=64)
    effects = models.JSONField(default=dict)
    given_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return ", ".join(self.windows)
