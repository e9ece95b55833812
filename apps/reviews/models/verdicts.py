"""What people said of a revision, and what lists show of the verdict."""

from __future__ import annotations

from django.conf import settings
from django.db import models

USER = settings.AUTH_USER_MODEL


class Review(models.Model):
    """What a person said about one revision. A later review supersedes it and its author can withdraw it; nothing else
    is ever written to the row, and nobody dismisses it.
    """

    class Verdict(models.TextChoices):
        APPROVE = "approve"
        REQUEST_CHANGES = "request_changes"
        COMMENT = "comment"

    class Stage(models.TextChoices):
        MERGE = "merge"
        DEPLOY = "deploy"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="reviews")
    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="reviews")
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    body = models.TextField(blank=True)
    stage = models.CharField(max_length=6, choices=Stage.choices, default=Stage.MERGE)
    environment = models.CharField(max_length=63, blank=True)
    subject = models.CharField(max_length=64, blank=True)  # the approval subject at that moment
    effects = models.JSONField(default=dict)  # and of each target the digest of its rendered difference
    shown = models.JSONField(
        default=dict
    )  # what had been displayed and viewed: reviews.attestation says in which shape
    inverse = models.JSONField(default=dict)  # how it would have been undone, as shown: changes.inverse_words.as_shown
    with_rollback = models.BooleanField(default=False)  # a roll-back that is exactly that inverse was approved as well
    via = models.CharField(max_length=10, default="page")  # page | token
    reauthenticated = models.BooleanField(default=False)  # the person had just signed in again
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        indexes = [models.Index(fields=["change", "reviewer"])]


class VerdictSnapshot(models.Model):
    """What lists show of a verdict. Merge and dispatch never read it; a job keeps it fresh."""

    change = models.OneToOneField("changes.ChangeRequest", on_delete=models.CASCADE, related_name="verdict_snapshot")
    change_version = models.PositiveIntegerField(default=0)
    stale = models.BooleanField(default=True, db_index=True)
    allowed = models.BooleanField(default=False)
    met = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    summary = models.CharField(max_length=500, blank=True)
    computed_at = models.DateTimeField(null=True, blank=True, db_index=True)
    environments = models.JSONField(default=list, blank=True)  # names of those that it reaches, in promotion order
    risk = models.CharField(max_length=10, blank=True)  # of the rendered effect: high, medium, or nothing to be said
    nobody_since = models.DateTimeField(null=True, blank=True)  # since when it is nobody's turn
