"""The decision to merge, and merges that were asked for at a time."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.fields import OidField
from apps.core.leases import Leased
from apps.deployments.querysets import MergeIntentQuerySet, MergeScheduleQuerySet

USER = settings.AUTH_USER_MODEL


class MergeIntent(Leased):
    """The decision to merge, written in the transaction that judged the verdict; a job carries it out."""

    class State(models.TextChoices):
        PENDING = "pending"
        LANDED = "landed"
        RETURNED = "returned"

    class Claim(models.TextChoices):
        HELD = "held"  # the target repository keeps our claim
        REFUSED = "refused"  # its host takes none, and this repository goes on without

    class Verification(models.TextChoices):
        PENDING = "pending"  # landed, and not yet compared with what was approved
        PASSED = "passed"
        FAILED = "failed"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="merge_intents")
    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, related_name="+")
    requested_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    verdict = models.JSONField()  # the verdict and its inputs, so that it can be replayed
    message = models.TextField()  # the commit message with its trailers, fixed at that moment
    author_name = models.TextField(blank=True, db_default="")  # of the commit, fixed as well: accounts are renamed
    author_email = models.TextField(blank=True, db_default="")
    key = models.CharField(max_length=52, blank=True)  # (keys.dispatch_key); empty: decided before there were keys
    claim_nonce = models.CharField(max_length=32, blank=True)  # drawn before the first try to claim the key
    claim = models.CharField(max_length=7, choices=Claim.choices, blank=True)  # empty: not claimed yet
    merge_commit = OidField()
    verification = models.CharField(max_length=7, choices=Verification.choices, blank=True)  # empty: has not landed
    verified_at = models.DateTimeField(null=True, blank=True)
    outcome = models.JSONField(default=dict, blank=True)  # {"code", "message"}: why it waits, was returned, or is wrong
    tries = models.PositiveIntegerField(default=0)
    check_at = models.DateTimeField(null=True, blank=True)  # after a failed try: when the next one is due
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = MergeIntentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change"], condition=Q(state="pending"), name="one_merge_at_a_time_per_change"
            ),
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="merge_keys_are_unique"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(verification="pending"), name="merges_to_verify")]


class MergeSchedule(models.Model):
    """A merge that was asked for at a time: tried from ``at`` to ``until``, for the head of ``revision``."""

    class Outcome(models.TextChoices):
        MERGED = "merged"
        CANCELLED = "cancelled"
        REPLACED = "replaced"
        OVERTAKEN = "overtaken"
        LAPSED = "lapsed"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="merge_schedules")
    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    until = models.DateTimeField()
    scheduled_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    check_at = models.DateTimeField(null=True, blank=True)
    intent = models.ForeignKey(  # what it began last
        MergeIntent, on_delete=models.PROTECT, null=True, blank=True, related_name="schedules"
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = MergeScheduleQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes = [models.Index(fields=["at"], name="open_schedules", condition=Q(ended_at=None))]
        constraints = [
            models.UniqueConstraint(fields=["change"], condition=Q(ended_at=None), name="one_schedule_per_change")
        ]
