"""Connections to outside systems, as the API takes and answers them. Secrets go in and never out."""

from __future__ import annotations

from rest_framework import serializers

from apps.api.fields import Text, maybe_moment, maybe_text, moment, string, texts, whole, word
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.deployments.dispatchers.kinds import KINDS
from apps.deployments.services.connections import LONGEST_VALUE
from apps.deployments.services.reporting import STATUSES, STEP_STATUSES
from apps.policies.config.environments import LONGEST_NAME, MAX_ENVIRONMENTS


class GrantOut(Out):
    repository = string()
    environments = texts("Into which it may be deployed; none named: into all.")


class ConnectionOut(Out):
    name = string()
    kind = word(tuple(KINDS))
    url = string()
    options = serializers.DictField(
        child=serializers.CharField(), allow_null=True, help_text="null: only administrators see them."
    )
    secrets = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="Names of the secrets that are stored, never their values; null: only administrators see them.",
    )
    is_working = serializers.BooleanField(allow_null=True, help_text="As the last test found; null: not tested.")
    test_text = maybe_text("What the last test said.")
    tested_at = maybe_moment()
    last_used_at = maybe_moment()
    created_by = string()
    updated_at = moment()
    repositories = GrantOut(many=True, help_text="Those that may use it and that you may see.")


class ConnectionPatchIn(Shape):
    url = Text(max_length=500, required=False)
    values = serializers.DictField(
        child=Text(max_length=LONGEST_VALUE, allow_blank=True, trim_whitespace=False), required=False
    )


class ConnectionIn(ConnectionPatchIn):
    name = Text(max_length=60)
    kind = Text(max_length=20)
    url = Text(max_length=500)


class GrantIn(Shape):
    environments = serializers.ListField(
        child=Text(max_length=LONGEST_NAME), required=False, max_length=MAX_ENVIRONMENTS
    )


class StepActIn(Shape):
    action = Text(max_length=20)


class ReportStepIn(serializers.Serializer):  # type: ignore[type-arg]
    """``log`` is what the step printed since the last report."""

    name = serializers.CharField(max_length=80)
    status = serializers.ChoiceField(choices=STEP_STATUSES)
    text = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
    at = serializers.DateTimeField(required=False)
    log = serializers.CharField(required=False)


class ReportIn(serializers.Serializer):  # type: ignore[type-arg]
    """``key`` as the request had it."""

    key = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    text = serializers.CharField(required=False)
    steps = ReportStepIn(many=True, required=False)


class FluxObjectIn(serializers.Serializer):  # type: ignore[type-arg]
    """What the event is about."""

    kind = serializers.CharField()
    namespace = serializers.CharField()
    name = serializers.CharField()


class FluxEventIn(serializers.Serializer):  # type: ignore[type-arg]
    """An Event of Flux's notification controller; what else it has is not read."""

    involvedObject = FluxObjectIn()  # noqa: N815 - Flux's own name
    timestamp = serializers.DateTimeField()
    message = serializers.CharField(required=False)
    reason = serializers.CharField(required=False)
    metadata = serializers.DictField(required=False)


class FluxEventOut(Out):
    deployments = whole(help_text="How many deployments it was told to.")


class ReportOut(Out):
    message = string(help_text="The id under which it was taken.")
