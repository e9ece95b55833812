"""What was learnt about who knows which place, and how far the learning has come."""

from __future__ import annotations

from django.db import models

from apps.core.fields import OidField


class Expertise(models.Model):
    """What one person did in and under one folder, as a sum (see :mod:`apps.reviews.expertise`).

    ``who``: ``mail:ADDRESS`` as commits name it, or ``user:ID`` for what was done here. An address is not
    turned into an account before it is read: one that is verified later brings its history along, and
    nobody else's claim to it ever counts.
    """

    class Source(models.TextChoices):
        COMMITTED = "committed"  # commits of the default branch
        LANDED = "landed"  # contributed to a change that landed here
        REVIEWED = "reviewed"  # reviewed a change that landed here

    repository = models.ForeignKey("repositories.Repository", on_delete=models.CASCADE, related_name="+")
    who = models.CharField(max_length=260)
    folder = models.CharField(max_length=400, blank=True)
    source = models.CharField(max_length=9, choices=Source.choices)
    weight = models.FloatField()
    acts = models.PositiveIntegerField()
    files = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "expertise"
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "who", "folder", "source"], name="one_sum_per_person_and_folder"
            )
        ]


class FolderHistory(models.Model):
    """The last changes that landed in and under a folder: ``recent`` is ``[[number, [ids of reviewers]], …]``, newest last."""

    repository = models.ForeignKey("repositories.Repository", on_delete=models.CASCADE, related_name="+")
    folder = models.CharField(max_length=400, blank=True)
    recent = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "folder histories"
        constraints = [models.UniqueConstraint(fields=["repository", "folder"], name="one_history_per_folder")]


class HistoryReading(models.Model):
    """How far the history of a repository has been read.

    Everything reachable from ``read_oid`` is in the sums; of what ``reading_oid`` has beyond it, the first
    ``skip`` commits are. ``commits`` counts all that were read.
    """

    repository = models.OneToOneField("repositories.Repository", on_delete=models.CASCADE, related_name="+")
    read_oid = OidField()
    reading_oid = OidField()
    skip = models.PositiveIntegerField(default=0)
    commits = models.PositiveIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True)


class LearntChange(models.Model):
    """A landed change that is in the sums: each counts once."""

    change = models.OneToOneField("changes.ChangeRequest", on_delete=models.CASCADE, primary_key=True, related_name="+")
    learnt_at = models.DateTimeField()
