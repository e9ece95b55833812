"""The audit log: entries chained by hash, and the head of the chain."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.audit.canonical import VERSION, ZERO_HASH, instant
from apps.core.fields import OidField
from apps.core.leases import Leased, LeasedQuerySet, short_lease


class AuditEntry(models.Model):
    """One act. Written once by ``audit.services.record``; triggers refuse any later change."""

    seq = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=80, db_index=True)
    actor = models.JSONField()
    actor_name = models.CharField(max_length=150, db_index=True)
    target = models.CharField(max_length=300, blank=True)
    repository = models.CharField(max_length=120, blank=True, db_index=True)
    change_number = models.PositiveBigIntegerField(null=True, db_index=True)
    environment = models.CharField(max_length=120, blank=True, db_index=True)
    deployment_number = models.PositiveBigIntegerField(null=True, db_index=True)
    summary = models.CharField(max_length=500)
    data = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-seq"]
        constraints = [models.CheckConstraint(name="audit_seq_positive", condition=models.Q(seq__gt=0))]

    def __str__(self) -> str:
        return f"#{self.seq} {self.action}"

    def document(self) -> dict[str, Any]:
        """What is hashed: every column except ``hash`` and the index copy ``actor_name``."""
        return {
            "v": VERSION,
            "seq": self.seq,
            "at": instant(self.at),
            "action": self.action,
            "actor": self.actor,
            "target": self.target,
            "repository": self.repository,
            "change": self.change_number,
            "environment": self.environment,
            "deployment": self.deployment_number,
            "summary": self.summary,
            "data": self.data,
            "request_id": self.request_id,
            "prev_hash": self.prev_hash,
        }


class AuditHead(models.Model):
    """The single row that every writer locks: the last ``seq`` and its hash."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    seq = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default=ZERO_HASH)
    held = models.CharField(max_length=500, blank=True)
    """Why nothing may be recorded, so nothing be done: this log is not the one that was published."""

    class Meta:
        constraints = [models.CheckConstraint(name="audit_one_head", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"head at #{self.seq}"


class PublicationQuerySet(LeasedQuerySet["Publication"]):
    def longest_lease(self) -> float:
        return short_lease()


class Publication(Leased):
    """The single row that tells how much of the log is published; the truth is the ref in Git."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    size = models.PositiveBigIntegerField(default=0)
    root = models.CharField(max_length=64, blank=True)
    commit = OidField()
    published_at = models.DateTimeField(null=True)
    pushed = OidField()
    """The commit that the remote has, if there is a remote."""
    retry_at = models.DateTimeField(null=True)
    """Before then the copy elsewhere is not asked."""
    failure = models.CharField(max_length=500, blank=True)

    objects = PublicationQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(name="audit_one_publication", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"published up to #{self.size}"
