"""Who was asked, for what and why; and why others were not."""

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
        CLAIM = "claim"

    class Ending(models.TextChoices):
        WITHDRAWN = "withdrawn"  # somebody took the request back
        DECLINED = "declined"  # "not me"
        SWAPPED = "swapped"  # somebody else is asked instead
        MOVED = "moved"  # by a rebalancing
        AWAY = "away"  # offered to somebody who is here
        RELEASED = "released"  # cannot give it any more, or is not needed any more

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="assignments")
    user = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="assignments")
    duty = models.CharField(max_length=6, choices=Duty.choices)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    reason = models.CharField(max_length=500)  # "owns charts/** (CODEOWNERS line 4)"
    assigned_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=9, choices=Ending.choices, blank=True)
    ended_reason = models.CharField(max_length=500, blank=True)
    stands_for = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    nudged_at = models.DateTimeField(null=True, blank=True)
    nudged_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["user", "created_at"], name="requests_to_a_person")]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "user", "duty"], condition=Q(ended_at__isnull=True), name="asked_once_for_a_duty"
            )
        ]


class Choice(models.Model):
    """How the people of a change were chosen last: who was considered, why each is asked and why others are not.

    ``record`` is written by :mod:`apps.reviews.explaining` and read by pages and API alike. ``short``: somebody
    is missing whom nobody here can replace now, so it is looked at again from time to time.
    """

    change = models.OneToOneField("changes.ChangeRequest", on_delete=models.CASCADE, related_name="choice")
    revision_number = models.PositiveIntegerField(default=0)
    record = models.JSONField(default=dict)
    short = models.BooleanField(default=False, db_index=True)
    made_at = models.DateTimeField()
