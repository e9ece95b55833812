"""Whose turn it is, who was called to a change and why, and what a group may claim."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.reviews.attention import Kind, Origin

USER = settings.AUTH_USER_MODEL


class Attention(models.Model):
    """Whose turn it is, why and since when (UX §2.3). A snooze belongs to the turn and ends with it."""

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="attention")
    user = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="attention")
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in Kind], default=Kind.REVIEW)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snoozed_revision = models.PositiveIntegerField(null=True, blank=True)  # asleep while this is the present one
    snooze_ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "attention"
        indexes = [
            models.Index(fields=["user", "since"], name="turns_of_a_person"),
            models.Index(fields=["snoozed_until"], condition=Q(snoozed_until__isnull=False), name="turns_that_sleep"),
        ]
        constraints = [models.UniqueConstraint(fields=["change", "user"], name="one_turn_per_person_and_change")]

    def sleeps(self, at: datetime, revision: int) -> bool:
        """Whether the turn is snoozed at ``at``, while ``revision`` is the present one (0: there is none)."""
        if self.snoozed_until is not None:
            return self.snoozed_until > at
        return self.snoozed_revision is not None and self.snoozed_revision == revision

    def woke(self, at: datetime, revision: int) -> bool:
        """Whether a snooze of this turn has ended by itself."""
        had_one = self.snoozed_until is not None or self.snoozed_revision is not None
        return self.snooze_ended_at is not None or (had_one and not self.sleeps(at, revision))


class Call(models.Model):
    """Somebody, or something that happened, calls a person to a change; it holds until they acted on it."""

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="calls")
    user = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="calls")
    origin = models.CharField(max_length=9, choices=[(origin.value, origin.value) for origin in Origin])
    reason = models.CharField(max_length=500)
    made_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    thread = models.PositiveIntegerField(null=True, blank=True)  # the number of the thread that was answered
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change", "user", "origin"], condition=Q(ended_at__isnull=True), name="called_once_for_a_reason"
            )
        ]


class Opening(models.Model):
    """Of this group nobody is asked yet: ``user`` is one of those who may claim ``need`` of the change."""

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.CASCADE, related_name="openings")
    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="openings")
    need = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "since"], name="openings_for_a_person")]
        constraints = [models.UniqueConstraint(fields=["change", "user", "need"], name="one_opening_per_need")]
