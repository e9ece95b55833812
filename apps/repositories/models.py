"""Connected Git repositories: who may do what in them, and what their branches did."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.fields import OidField, SealedField
from apps.core.leases import Leased
from apps.repositories.querysets import DeliveryQuerySet, RefUpdateQuerySet, RepositoryQuerySet
from apps.repositories.roles import Role


class Repository(Leased):
    """One connected repository and its bare mirror. The lease serialises synchronisation."""

    name = models.SlugField(max_length=80, unique=True)
    url = models.CharField(max_length=500)
    default_branch = models.CharField(max_length=250)
    directory = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    credential_username = models.CharField(max_length=200, blank=True)
    credential_secret = SealedField(blank=True)
    ssh_key = SealedField(blank=True)
    webhook_secret = SealedField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    sync_requested_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField(null=True, blank=True)
    next_poll_at = models.DateTimeField(null=True, blank=True, db_index=True)
    sync_problem = models.JSONField(default=dict, blank=True)  # {"code", "message", "since", "failures"} or {}
    mirror_rebuilt_at = models.DateTimeField(null=True, blank=True)  # the mirror was lost or damaged on disk
    claims_required = models.BooleanField(
        default=True
    )  # False: merge and run also where the host keeps no claim (docs/deploying.md)
    pins_restored_at = models.DateTimeField(null=True, blank=True)  # revisions pinned again after that

    objects = RepositoryQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "repositories"

    def __str__(self) -> str:
        return self.name

    @property
    def mirror_path(self) -> Path:
        """The bare mirror: ``<data>/mirrors/<uuid>.git``; the name never comes from a user."""
        return Path(settings.PORTAL_DATA_DIR) / "mirrors" / f"{self.directory}.git"


class RepositoryRole(models.Model):
    """One role of one person or one team in one repository."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="roles")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="repository_roles"
    )
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.CASCADE, null=True, blank=True, related_name="repository_roles"
    )
    role = models.CharField(max_length=12, choices=Role.choices)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True) | Q(user__isnull=True, team__isnull=False),
                name="role_of_one_person_or_one_team",
            ),
            models.UniqueConstraint(
                fields=["repository", "user"], condition=Q(user__isnull=False), name="one_role_per_person"
            ),
            models.UniqueConstraint(
                fields=["repository", "team"], condition=Q(team__isnull=False), name="one_role_per_team"
            ),
        ]


class BranchTip(models.Model):
    """The last tip of a branch that was recorded; RefUpdate rows are the way from tip to tip."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="branch_tips")
    name = models.CharField(max_length=250)
    oid = OidField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repository", "name"], name="one_tip_per_branch")]


class RefUpdate(models.Model):
    """A branch moved, as a fact. ``changes`` takes these rows in order; they are never edited otherwise."""

    class Kind(models.TextChoices):
        CREATED = "created"
        ADVANCED = "advanced"
        FORCED = "forced"
        DELETED = "deleted"

    class Cause(models.TextChoices):
        CONNECT = "connect"
        POLL = "poll"
        WEBHOOK = "webhook"
        MANUAL = "manual"
        PORTAL = "portal"

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="ref_updates")
    branch = models.CharField(max_length=250)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    old_oid = OidField()
    new_oid = OidField()
    cause = models.CharField(max_length=10, choices=Cause.choices)
    pusher = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    seen_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = RefUpdateQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        # Who pushed to a branch, also long ago, is asked for each new revision.
        indexes = [
            models.Index(
                fields=["repository", "branch"], name="repositories_pushed", condition=models.Q(pusher__isnull=False)
            )
        ]


class WebhookDelivery(models.Model):
    """One notice of a forge. It is only a hint: the refs are always read again from Git."""

    class Status(models.TextChoices):
        ACCEPTED = "accepted"
        IGNORED = "ignored"
        SYNCED = "synced"

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="deliveries")
    provider = models.CharField(max_length=12)
    delivery_id = models.CharField(max_length=120)
    event = models.CharField(max_length=60)
    pusher_name = models.CharField(max_length=200, blank=True)
    pusher_email = models.CharField(max_length=254, blank=True)
    branch = models.CharField(max_length=250, blank=True)
    new_oid = OidField()
    digest = models.CharField(max_length=64, blank=True, default="", db_default="")
    """Of the body, where its signature covers nothing else."""
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACCEPTED)
    received_at = models.DateTimeField()

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "provider", "delivery_id"], name="a_delivery_counts_once")
        ]
        indexes = [models.Index(fields=["repository", "digest"], name="delivery_by_body")]
        verbose_name_plural = "webhook deliveries"
