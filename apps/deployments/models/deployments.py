"""Deployments with their attempts, steps and numbered events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.clock import now
from apps.core.fields import OidField, SealedField
from apps.core.leases import Leased
from apps.deployments.lifecycle import ENDED, Status
from apps.deployments.models.connections import Connection
from apps.deployments.models.environments import Environment
from apps.deployments.querysets import DeploymentQuerySet

USER = settings.AUTH_USER_MODEL
LOCK_HOLDERS = [str(Status.DISPATCHING), str(Status.RUNNING), str(Status.UNKNOWN)]


class DeploymentNumber(models.Model):
    """The one row that hands out deployment numbers."""

    last = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last)


def waits_for_start_only(waits: Iterable[Mapping[str, str]]) -> bool:
    """Whether these stored waits are a start by hand and nothing else."""
    return {wait["code"] for wait in waits} == {"manual"}


class Deployment(Leased):
    """One change into one environment. Holding a row in a lock state is the environment's lock."""

    class Kind(models.TextChoices):
        FORWARD = "forward"
        ROLLBACK = "rollback"
        REDEPLOY = "redeploy"

    number = models.PositiveIntegerField(unique=True)
    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="deployments")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.FORWARD)
    status = models.CharField(max_length=11, choices=[(s.value, s.value) for s in Status], default=Status.PENDING)
    commit = OidField()
    plan = models.JSONField()  # via, steps, timeouts as portal.yaml said at `commit`
    manual_start = models.BooleanField(default=False)
    waits = models.JSONField(default=list, blank=True)  # [{"code", "text"}] while pending
    requested_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    cancel_requested_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    problem = models.CharField(max_length=500, blank=True)
    runner = models.CharField(max_length=40, blank=True)  # the data directory whose workers can see the run
    followed_at = models.DateTimeField(null=True, blank=True)  # when a worker last looked after the run
    last_event = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    retry_from = models.PositiveIntegerField(default=0)  # the step at which the next attempt begins
    retry_only_failed = models.BooleanField(default=False)  # whether it does again only what failed in the last run
    # It succeeded, and was what the environment runs. The database has the default for processes of before, too.
    became_live = models.BooleanField(default=False, db_default=False)
    rollback_due = models.BooleanField(default=False)  # unhealthy, and portal.yaml says: roll back
    queued_at = models.DateTimeField()
    check_at = models.DateTimeField(null=True, blank=True, db_index=True)
    start_at = models.DateTimeField(null=True, blank=True)  # scheduled: not before this
    scheduled_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # When it last began, or was asked for since: lists go by it. A new attempt keeps the number, which does not say what ran last.
    # One environment runs one after another, so what began last there is also what ended last.
    latest_at = models.DateTimeField(default=now, db_default=Now())

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        indexes = [
            models.Index(fields=["status", "check_at"]),
            models.Index(fields=["environment", "number"], name="deployments_by_number"),
            models.Index(fields=["environment", "status", "number"], name="deployments_by_state"),
            models.Index(fields=["environment", "started_at"], name="deployments_by_start"),
            # What a window of time has of them, across all environments (insights.timeline).
            models.Index(fields=["started_at"], name="deployments_begun"),
            models.Index(fields=["ended_at", "started_at"], name="deployments_over"),
            models.Index(fields=["latest_at", "number"], name="deployments_latest"),
            models.Index(fields=["environment", "latest_at", "number"], name="deployments_latest_here"),
            models.Index(fields=["id"], name="rollbacks_due", condition=Q(rollback_due=True)),
            models.Index(
                fields=["environment", "ended_at"], name="once_live_deployments", condition=Q(became_live=True)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=Q(status__in=LOCK_HOLDERS), name="one_lock_per_environment"
            ),
            models.UniqueConstraint(
                fields=["change", "environment"],
                condition=Q(status__in=["pending", *LOCK_HOLDERS]),
                name="one_live_deployment_per_change_and_environment",
            ),
        ]

    @property
    def label(self) -> str:
        return f"d-{self.number}"

    @property
    def only_start(self) -> bool:
        """Whether nothing but somebody who presses Start is waited for, as far as it was looked at."""
        return self.status == Status.PENDING and self.manual_start and waits_for_start_only(self.waits)


class Attempt(models.Model):
    """One run of a deployment's plan. ``key`` (keys.dispatch_key) is what the outside is asked to recognise a repeat by.

    ``external_run`` is written, with the deployment's state ``running``, before the dispatcher is
    told to begin: it is the intent from which a worker that finds it goes on.
    """

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="attempt_rows")
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=64, unique=True)
    claim_nonce = models.CharField(
        max_length=32, blank=True
    )  # by which this database knows its own claim of the run again
    from_step = models.PositiveIntegerField(default=0)
    only_failed = models.BooleanField(default=False)  # it does again only what failed in the run of the attempt before
    external_run = models.JSONField(default=dict, blank=True)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, null=True, blank=True, related_name="attempts")
    resources = models.JSONField(default=list, blank=True)  # what the other system made, as it said last
    verdict = models.JSONField(
        default=dict, blank=True
    )  # of the gate that opened, with its inputs; empty: there was none
    outcome = models.CharField(max_length=11, blank=True)
    health = models.JSONField(default=dict, blank=True)  # of the checks after the run (jobs.health)
    has_workspace = models.BooleanField(default=False)
    sealed_secrets = SealedField(blank=True)  # what the steps got, until the workspace is removed
    sealed_rendering = SealedField(blank=True)  # what is applied to a cluster, until the run is over
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("number",)
        indexes = [models.Index(fields=["id"], name="attempts_with_workspace", condition=Q(has_workspace=True))]
        constraints = [models.UniqueConstraint(fields=["deployment", "number"], name="attempt_numbers_are_unique")]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """How people call it: ``d-17-1``."""
        return f"{self.deployment.label}-{self.number}"


class GateAlong(models.Model):
    """The gate of a change that an attempt brought along, as it was judged when that started: with its inputs, like the attempt's own."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="gates_along")
    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.PROTECT, related_name="gates_along")
    verdict = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "change"], name="a_gate_along_is_judged_once")]

    def __str__(self) -> str:
        return f"{self.change.label} with {self.attempt.label}"


class Step(models.Model):
    """One step of an attempt, as its dispatcher reports it. The intent to run is the attempt's, not the step's."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        SKIPPED = "skipped"
        UNKNOWN = "unknown"

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="steps")
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=100, blank=True)  # what the dispatcher calls it; empty: its position
    name = models.CharField(max_length=80)
    link = models.CharField(max_length=500, blank=True)  # where the other system shows it
    offers = models.JSONField(default=list, blank=True)  # what a person can do with it there: play, retry, stop
    asked = models.CharField(max_length=20, blank=True)  # one of these, asked for and not yet passed on
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    exit_code = models.IntegerField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    lines = models.PositiveIntegerField(default=0)
    output_bytes = models.PositiveBigIntegerField(default=0)  # how far the output was taken over
    launched_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("position",)
        constraints = [models.UniqueConstraint(fields=["attempt", "position"], name="step_positions_are_unique")]

    def __str__(self) -> str:
        return self.name


class DeploymentEvent(models.Model):
    """A numbered fact of one deployment: a state, a step, resources, or lines of log. Page, API and socket replay it."""

    class Kind(models.TextChoices):
        STATE = "state"
        STEP = "step"
        LOG = "log"
        RESOURCES = "resources"

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=9, choices=Kind.choices)
    at = models.DateTimeField()
    attempt = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=80, blank=True)
    first_line = models.PositiveIntegerField(default=0)  # number of the first line in `text` (log)
    text = models.TextField(blank=True)  # a sentence, or masked log lines joined by \n
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("seq",)
        constraints = [models.UniqueConstraint(fields=["deployment", "seq"], name="event_numbers_have_no_repeat")]

    def __str__(self) -> str:
        return f"{self.seq}: {self.kind}"

    @property
    def end(self) -> str:
        """How the deployment ended here, ``unknown`` included; empty where it went on."""
        status = str(self.data.get("status", "")) if self.kind == self.Kind.STATE else ""
        return status if status in {*ENDED, Status.UNKNOWN} else ""
