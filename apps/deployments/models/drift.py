"""Whether what runs in an environment is still what was deployed: when it is looked at, what was found, what was accepted."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.fields import OidField
from apps.core.leases import Leased
from apps.deployments.models.deployments import Deployment
from apps.deployments.models.environments import Environment
from apps.deployments.querysets import DriftAdoptionQuerySet, DriftWatchQuerySet

USER = settings.AUTH_USER_MODEL
ADOPTING_BRANCH, ADOPTING_TITLE = "adopt-drift/", "Adopt drift of "
"""How the branch and the title of a change begin that adopts drift."""


class DriftWatch(Leased):
    """When an environment is looked at again. Its lease is held by the worker that looks, so two never do it at once.

    ``every_seconds``: as portal.yaml says on the default branch; 0: only when somebody asks. ``next_at``: also the end of a
    deployment to it, so that it is looked at soon. ``checked``: the live deployment that was looked at last, by which the version
    before finds that. ``found_at``: when the log was told of drift that it was not told the end of; looks that tell nothing leave it.
    """

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="drift_watch")
    every_seconds = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True, db_index=True)
    checked = models.ForeignKey(Deployment, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    found_at = models.DateTimeField(null=True, blank=True)

    objects = DriftWatchQuerySet.as_manager()

    def __str__(self) -> str:
        return f"drift of {self.environment_id}"


class DriftCheck(models.Model):
    """One look at one target: what was compared (the ledger at that moment), by which way, and what it told.

    ``findings``: ``[{"resource", "kind", "path", "wanted", "found", "is_exact", "digest", "is_vague", "mark"}]`` without secrets
    (rows of before lack ``digest`` and ``is_vague``); ``marks``: ``[[mark, resource]]`` of all of them, for lists that show no values. ``more``: how many were too many to keep. ``since``: from
    when on each look has told of drift. ``health``: how it does, apart from drift (``dispatchers.standing``); empty: nobody can say.
    """

    class State(models.TextChoices):
        IN_SYNC = "in_sync"
        DRIFTED = "drifted"
        UNKNOWN = "unknown"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="drift_checks")
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="+")
    commit = OidField()
    target = models.CharField(max_length=100, blank=True)
    way = models.CharField(max_length=20)
    state = models.CharField(max_length=8, choices=State.choices)
    why = models.CharField(max_length=1000, blank=True)  # why it is unknown, without secrets
    findings = models.JSONField(default=list, blank=True)
    marks = models.JSONField(default=list, blank=True)
    more = models.PositiveIntegerField(default=0)
    not_looked = models.JSONField(default=list, blank=True)  # sentences: what it says nothing about
    looked_at = models.PositiveIntegerField(default=0)  # resources that were compared
    checked_at = models.DateTimeField()
    since = models.DateTimeField(null=True, blank=True)
    is_latest = models.BooleanField(default=True)
    # The database has the defaults for processes of before, too.
    health = models.CharField(max_length=8, blank=True, default="", db_default="")
    health_why = models.CharField(max_length=500, blank=True, default="", db_default="")
    health_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=["environment", "state"], name="latest_drift_checks", condition=Q(is_latest=True)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "target"], condition=Q(is_latest=True), name="one_latest_drift_check_per_target"
            )
        ]

    def __str__(self) -> str:
        return f"{self.target}: {self.state}"


class DriftAcceptance(models.Model):
    """Somebody lets one finding be until ``until``. It is about exactly that value: another one is another finding."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="drift_acceptances")
    target = models.CharField(max_length=100, blank=True)
    mark = models.CharField(max_length=64)
    resource = models.CharField(max_length=300)
    path = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=300)
    accepted_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "mark"], condition=Q(ended_at=None), name="one_acceptance_per_finding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource} {self.path}"


class DriftAdoption(Leased):
    """Somebody asked for what was found to be written into Git. Its lease is held by the worker that does it.

    ``commit``: what the portal wrote, empty for nothing, set before it is pushed; ``title`` and ``text``: of the change, and ``marks``
    of the findings that it was made of. It ends with a change, or with ``problem``.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="drift_adoptions")
    asked_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    target_branch = models.CharField(max_length=255, blank=True)
    commit = OidField()
    title = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    marks = models.JSONField(default=list, blank=True, db_default=[])
    change = models.ForeignKey(
        "changes.ChangeRequest", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    problem = models.CharField(max_length=1000, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = DriftAdoptionQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=Q(ended_at=None), name="one_open_drift_adoption_per_environment"
            )
        ]

    def __str__(self) -> str:
        return f"adoption of drift of {self.environment_id}"

    @property
    def branch(self) -> str:
        """Where the commit is pushed to; no other adoption has it."""
        return f"{ADOPTING_BRANCH}{self.environment.name}-{self.pk}"
