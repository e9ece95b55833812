"""Discussions on a change, a file, lines of it, a resource, an attribute of a plan or a line of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.fields import OidField
from apps.reviews.anchors import MAX_LOCATOR, Anchor, Scope

if TYPE_CHECKING:
    from apps.accounts.models import User

USER = settings.AUTH_USER_MODEL


class Placed(models.Model):
    """Columns of a place (:mod:`apps.reviews.anchors`) in one revision; a range ends with ``line``."""

    class Scope(models.TextChoices):
        CHANGE = "change"
        FILE = "file"
        LINE = "line"
        RESOURCE = "resource"
        PLAN = "plan"
        LOG = "log"

    revision = models.ForeignKey("changes.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.CHANGE)
    path = models.CharField(max_length=4096, blank=True)
    start_line = models.PositiveIntegerField(null=True, blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)
    side = models.CharField(max_length=3, default="new")
    locator = models.CharField(max_length=MAX_LOCATOR, blank=True)

    class Meta:
        abstract = True

    @property
    def anchor(self) -> Anchor:
        # Rows from before ranges have one line.
        first = self.start_line if self.start_line is not None else self.line
        return Anchor(Scope(self.scope), self.path, self.side, first, self.line, self.locator)


class Thread(Placed):
    """A discussion on one place. ``snippet`` are the lines as they were at opening, ``blob`` the file they stand in.

    Where it stands in another revision is computed when it is shown and never stored, so nothing can lose it.
    """

    class Kind(models.TextChoices):
        COMMENT = "comment"
        QUESTION = "question"
        BLOCKING = "blocking"

    class State(models.TextChoices):
        OPEN = "open"
        ANSWERED = "answered"
        RESOLVED = "resolved"
        DROPPED = "dropped"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="threads")
    number = models.PositiveIntegerField()
    snippet = models.TextField(blank=True)
    blob = OidField()
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.COMMENT)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    created_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    resolved_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    resolved_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)  # why it was dropped

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["change", "number"], name="thread_numbers_are_unique")]


class Comment(models.Model):
    """One word in a thread. ``application`` is the commit that took its suggestion, while it is under way or done."""

    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    body = models.TextField()
    created_at = models.DateTimeField()
    application = models.ForeignKey(
        "SuggestionCommit", on_delete=models.PROTECT, null=True, blank=True, related_name="comments"
    )

    class Meta:
        ordering = ("pk",)


class DraftComment(Placed):
    """What a person has typed and not said yet: seen by nobody else. ``pending``: goes out with their next review."""

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="drafts")
    author = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    key = models.CharField(max_length=64)  # digest of the place: one draft for each
    kind = models.CharField(max_length=8, choices=Thread.Kind.choices, default=Thread.Kind.COMMENT)
    body = models.TextField()
    pending = models.BooleanField(default=False)
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["change", "author", "key"], name="one_draft_for_a_place")]


class SuggestionCommit(models.Model):
    """Suggestions on their way into the source branch as one commit: written before the push, so that none is lost."""

    class State(models.TextChoices):
        PENDING = "pending"
        APPLIED = "applied"
        FAILED = "failed"

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="suggestion_commits")
    branch = models.CharField(max_length=250)
    parent = OidField()
    commit = OidField()
    actor = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    suggesters: models.ManyToManyField[User, models.Model] = models.ManyToManyField(USER, related_name="+")
    state = models.CharField(max_length=7, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change"], condition=Q(state="pending"), name="one_suggestion_commit_at_a_time"
            )
        ]
