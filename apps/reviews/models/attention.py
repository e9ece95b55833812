"""Whose turn it is."""

from __future__ import annotations

from django.conf import settings
from django.db import models

USER = settings.AUTH_USER_MODEL


class Attention(models.Model):
    """Whose turn it is, why and since when (UX §2.3)."""

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="attention")
    user = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="attention")
    reason = models.CharField(max_length=500)
    since = models.DateTimeField()

    class Meta:
        verbose_name_plural = "attention"
        indexes = [models.Index(fields=["user", "since"], name="turns_of_a_person")]
        constraints = [models.UniqueConstraint(fields=["change", "user"], name="one_turn_per_person_and_change")]
