"""Connections to the systems that carry out deployments, and what those systems tell us by themselves."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.core.fields import SealedField

USER = settings.AUTH_USER_MODEL


class Connection(models.Model):
    """How the portal speaks to one outside system, and as whom. The credentials never leave the server again."""

    name = models.CharField(max_length=60, unique=True)  # what portal.yaml calls it
    kind = models.CharField(max_length=20)  # one of dispatchers.kinds.KINDS
    url = models.CharField(max_length=500)
    options = models.JSONField(default=dict, blank=True)  # what is no secret: {"user", "region", "ca", …}
    sealed_credentials = SealedField(blank=True)  # JSON {field: value}
    created_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    is_removed = models.BooleanField(default=False)  # a name that the record points to, without credentials
    last_used_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    is_working = models.BooleanField(null=True, blank=True)  # as the last test found; None: never tested since a change
    test_text = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ConnectionGrant(models.Model):
    """Which repository may deploy through a connection, and into which of its environments (none named: all).

    Without it whoever may merge a portal.yaml anywhere could use the credentials of everybody.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="grants")
    repository = models.ForeignKey("repositories.Repository", on_delete=models.CASCADE, related_name="+")
    environments = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "repository"], name="one_grant_per_connection_and_repository")
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} in {self.repository_id}"


class Report(models.Model):
    """A signed message of an outside system about one attempt. ``message_id`` makes a replay do nothing."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    attempt = models.ForeignKey("Attempt", on_delete=models.PROTECT, related_name="reports")
    message_id = models.CharField(max_length=200)
    body = models.JSONField()
    logged = models.PositiveIntegerField(default=0)
    """Characters of its texts, logs and links; of logs alone before these were counted, too."""
    received_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["connection", "message_id"], name="a_message_is_taken_once")]

    def __str__(self) -> str:
        return self.message_id
