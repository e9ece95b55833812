"""Reviews, who was asked and why, threads, and whose turn it is."""

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


class Review(models.Model):
    """What a person said about one revision. Insert-only: a later review supersedes, nothing is dismissed."""

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
    environment = models.CharField(max_length=60, blank=True)
    subject = models.CharField(max_length=64, blank=True)  # the approval subject at that moment
    shown = models.JSONField(default=dict)  # what the page named as collapsed, binary or not displayed
    via = models.CharField(max_length=10, default="page")  # page | token
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        indexes = [models.Index(fields=["change", "reviewer"])]


class Thread(models.Model):
    """A discussion on a change, a file or a line of one revision."""

    class Kind(models.TextChoices):
        COMMENT = "comment"
        QUESTION = "question"
        BLOCKING = "blocking"

    class State(models.TextChoices):
        OPEN = "open"
        RESOLVED = "resolved"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="threads")
    number = models.PositiveIntegerField()
    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    path = models.CharField(max_length=4096, blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)
    side = models.CharField(max_length=3, default="new")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.COMMENT)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    created_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    resolved_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["change", "number"], name="thread_numbers_are_unique")]


class Comment(models.Model):
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)


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


class VerdictSnapshot(models.Model):
    """What lists show of a verdict. Merge and dispatch never read it; a job keeps it fresh."""

    change = models.OneToOneField("changes.ChangeRequest", on_delete=models.CASCADE, related_name="verdict_snapshot")
    change_version = models.PositiveIntegerField(default=0)
    stale = models.BooleanField(default=True, db_index=True)
    allowed = models.BooleanField(default=False)
    met = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    summary = models.CharField(max_length=500, blank=True)
    computed_at = models.DateTimeField(null=True, blank=True)
