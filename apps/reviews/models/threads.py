"""Discussions on a change, a file or a line."""

from __future__ import annotations

from django.conf import settings
from django.db import models

USER = settings.AUTH_USER_MODEL


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
