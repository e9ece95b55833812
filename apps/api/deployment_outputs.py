"""Answers about one deployment."""

from __future__ import annotations

from rest_framework import serializers

from apps.api.fields import maybe_moment, maybe_number, maybe_text, string, texts, whole
from apps.api.outputs import DeploymentOut, Out


class StepOut(Out):
    position = whole(help_text="By which it is addressed.")
    name = string()
    state = string()
    exit_code = maybe_number()
    problem = maybe_text()
    lines = whole()
    link = maybe_text("Where the system that runs it shows it.")
    offers = texts("What a person can do with it there: play, retry, stop.")


class LiveResourceOut(Out):
    """A resource as the system that deploys sees it."""

    kind = string()
    group = string(allow_blank=True)
    namespace = string(allow_blank=True)
    name = string()
    sync = string()
    health = string()
    message = string(allow_blank=True)


class AttemptOut(Out):
    number = whole()
    outcome = maybe_text()
    started_at = maybe_moment()
    ended_at = maybe_moment()
    connection = maybe_text("The connection through which it runs.")
    resources = LiveResourceOut(many=True)
    steps = StepOut(many=True)


class DeploymentDetailOut(DeploymentOut):
    via = string(help_text="Who carries it out.")
    can_cancel = serializers.BooleanField()
    can_retry_from_step = serializers.BooleanField(
        help_text="Whether a new attempt could begin behind the first step now."
    )
    can_retry_only_failed = serializers.BooleanField(
        help_text="Whether there is a run of which that could be done now."
    )
    attempt_details = AttemptOut(many=True)
