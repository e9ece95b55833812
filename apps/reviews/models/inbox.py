"""What happened that concerns a person, and how they like their queue."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.reviews.attention import Kind

USER = settings.AUTH_USER_MODEL


class News(models.Model):
    """One row of a person's inbox: what happened on one change within five minutes, newest line last."""

    class Kind(models.TextChoices):
        TURN = "turn", "My turn"
        LOST = "lost", "My approval no longer counts"
        HANDED = "handed", "Handed over to me"
        NUDGE = "nudge", "Reminders"
        REPLY = "reply", "Threads"
        REVIEW = "review", "Reviews of my changes"
        MERGED = "merged", "Merged"
        DEPLOYED = "deployed", "Deployed"
        FAILED = "failed", "Failed"
        DRIFT = "drift", "Drift"
        EMERGENCY = "emergency", "Emergencies"

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="news")
    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.CASCADE, related_name="news")
    kinds = models.CharField(max_length=200)  # ",turn,reply,": every kind among the lines
    lines = models.JSONField(default=list)  # [{"kind", "text", "place", "at"}], the oldest first
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "news"
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=["user", "-id"], name="news_of_a_person"),
            models.Index(fields=["user"], condition=Q(read_at__isnull=True), name="news_that_is_unread"),
        ]


_TOLD_AS = {Kind.LOST: News.Kind.LOST, Kind.HANDED: News.Kind.HANDED}
_TOLD_BY_THEIR_CAUSE = frozenset({Kind.ANSWERED, Kind.FAILED})
"""Turns whose cause has a line in the inbox of its own, with a link to the very place."""


def told_as(kind: Kind) -> News.Kind | None:
    """The kind of the line that tells a turn; ``None``: its cause has a line."""
    return None if kind in _TOLD_BY_THEIR_CAUSE else _TOLD_AS.get(kind, News.Kind.TURN)


class Desk(models.Model):
    """How a person arranged their queue: which view, and the order of its sections (keys)."""

    user = models.OneToOneField(USER, on_delete=models.CASCADE, related_name="desk")
    view = models.CharField(max_length=20, blank=True)  # empty: chosen by role
    order = models.JSONField(default=list)
    muted = models.JSONField(default=list)  # kinds of news that are not wanted in the inbox
