"""Emergencies: who declared and confirmed them, what they were used for, and when the debt was paid."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

USER = settings.AUTH_USER_MODEL


class EmergencyQuerySet(models.QuerySet["Emergency"]):
    def owed(self) -> EmergencyQuerySet:
        """Those that opened a gate whose rules are not met yet."""
        return self.filter(paid_at=None).exclude(review_by=None)


class Emergency(models.Model):
    """One change goes without its rules, for what it is now, until ``expires_at``.

    ``uses`` are the gates that it opened, ``[[stage, environment], …]``; from the first one on the rules are owed until
    ``paid_at``, and should be met by ``review_by``.
    """

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="emergencies")
    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, related_name="+")
    subject = models.CharField(max_length=64)
    reason = models.CharField(max_length=500)
    incident = models.CharField(max_length=500, blank=True)
    declared_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)  # by a person, before it expired
    uses = models.JSONField(default=list)
    review_by = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    objects = EmergencyQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "emergencies"
        indexes = [models.Index(fields=["review_by"], condition=Q(paid_at=None), name="emergencies_owed")]

    def __str__(self) -> str:
        return self.reason


class EmergencyConfirmation(models.Model):
    """A second person says that it is one."""

    emergency = models.ForeignKey("Emergency", on_delete=models.PROTECT, related_name="confirmations")
    person = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["emergency", "person"], name="a_person_confirms_once")]

    def __str__(self) -> str:
        return str(self.person_id)
