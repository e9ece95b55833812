"""Who was asked, for what and why."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

USER = settings.AUTH_USER_MODEL


class Assignment(models.Model):
    """A person was asked: to write a backlog request in Git, or to review a change; with the reason."""

    class Duty(models.TextChoices):
        WRITE = "write"
        REVIEW = "review"

    class Origin(models.TextChoices):
        CODEOWNERS = "codeowners"
        RULE = "rule"
        PERSON = "person"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="assignments")
    user = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="assignments")
    duty = models.CharField(max_length=6, choices=Duty.choices)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    reason = models.CharField(max_length=500)  # "owns charts/** (CODEOWNERS line 4)"
    assigned_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change", "user", "duty"], condition=Q(ended_at__isnull=True), name="asked_once_for_a_duty"
            )
        ]
