"""Environments of a repository, and the values that their steps get."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.core.fields import OidField, SealedField

USER = settings.AUTH_USER_MODEL


class Environment(models.Model):
    """What the portal knows of an environment of a repository beside its definition in Git."""

    repository = models.ForeignKey("repositories.Repository", on_delete=models.PROTECT, related_name="environments")
    name = models.CharField(max_length=63)
    position = models.PositiveIntegerField(default=0)
    protected = models.BooleanField(default=False)
    after = models.JSONField(default=list)
    targets = models.JSONField(default=list)  # names of its targets, as portal.yaml has them
    defined = models.BooleanField(default=True)  # False: no longer in portal.yaml, kept for its history
    live_commit = OidField()
    live_deployment = models.ForeignKey("Deployment", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    live_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("repository", "position", "name")
        constraints = [models.UniqueConstraint(fields=["repository", "name"], name="environment_names_are_unique")]

    def __str__(self) -> str:
        return self.name


class DefinedEnvironments(models.Model):
    """From which commit of the default branch the environments of a repository were read last."""

    repository = models.OneToOneField(
        "repositories.Repository", on_delete=models.CASCADE, related_name="defined_environments"
    )
    commit = OidField()

    class Meta:
        verbose_name_plural = "defined environments"


class EnvironmentSecret(models.Model):
    """A value that steps, or plans, get as an environment variable and that logs never show.

    What deploys never reaches a plan: a plan runs the code of a change that nobody has approved yet.
    """

    class Use(models.TextChoices):
        DEPLOY = "deploy"
        PLAN = "plan"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=60)
    used_for = models.CharField(max_length=6, choices=Use.choices, default=Use.DEPLOY)
    value = SealedField()
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "name", "used_for"], name="secret_names_are_unique")
        ]

    def __str__(self) -> str:
        return self.name


class EnvironmentLock(models.Model):
    """A person keeps an environment for their own deployments until ``until``. At most one that has not ended."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="locks")
    holder = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    since = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=models.Q(ended_at=None), name="one_lock_of_a_person_per_environment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.environment_id} by {self.holder_id}"
