"""Shapes of requests and answers. They check form only; rules live in the services."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.serializers import Serializer


class Shape(Serializer[Any]):
    """A body whose unknown fields are refused by name, so that a typing error is not silently lost."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                known = ", ".join(sorted(self.fields))
                raise serializers.ValidationError({unknown[0]: [f"Unknown field. Known fields: {known}."]})
        return super().to_internal_value(data)


class ProblemShape(Shape):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()


class EmptyIn(Shape):
    pass


class RepositoryIn(Shape):
    name = serializers.CharField(max_length=80)
    url = serializers.CharField(max_length=500)
    default_branch = serializers.CharField(required=False, allow_blank=True, default="", max_length=250)
    username = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)
    secret = serializers.CharField(required=False, allow_blank=True, default="", write_only=True)
    ssh_key = serializers.CharField(required=False, allow_blank=True, default="", write_only=True, trim_whitespace=False)
    members = serializers.DictField(child=serializers.CharField(), required=False, default=dict)


class MemberIn(Shape):
    role = serializers.CharField()


class TeamIn(Shape):
    name = serializers.CharField(max_length=80)
    title = serializers.CharField(required=False, allow_blank=True, default="")
    members = serializers.ListField(child=serializers.CharField(), required=False, default=list)


class TeamMembersIn(Shape):
    members = serializers.ListField(child=serializers.CharField())


class ChangeIn(Shape):
    repository = serializers.CharField()
    title = serializers.CharField(max_length=200)
    description = serializers.CharField(required=False, allow_blank=True, default="", max_length=50_000)
    source_branch = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False
    )
    target_branch = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False
    )
    draft = serializers.BooleanField(required=False, default=False)


class ChangePatchIn(Shape):
    title = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(required=False, allow_blank=True, max_length=50_000)


class AttachIn(Shape):
    source_branch = serializers.CharField(trim_whitespace=False)
    draft = serializers.BooleanField(required=False, default=False)


class RetargetIn(Shape):
    target_branch = serializers.CharField(trim_whitespace=False)


class ReasonIn(Shape):
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)


class AssignmentIn(Shape):
    user = serializers.CharField()
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)


class ThreadIn(Shape):
    body = serializers.CharField(max_length=20_000)
    kind = serializers.CharField(required=False, default="comment")
    path = serializers.CharField(required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False)
    line = serializers.IntegerField(required=False, allow_null=True, default=None)
    side = serializers.CharField(required=False, default="new")
    revision = serializers.IntegerField(required=False, allow_null=True, default=None)


class BodyIn(Shape):
    body = serializers.CharField(max_length=20_000)


class ReviewIn(Shape):
    revision = serializers.IntegerField(min_value=1)
    verdict = serializers.CharField()
    body = serializers.CharField(required=False, allow_blank=True, default="", max_length=20_000)
    stage = serializers.CharField(required=False, default="merge")
    environment = serializers.CharField(required=False, allow_blank=True, allow_null=True, default="")


class DeploymentIn(Shape):
    change = serializers.IntegerField(min_value=1)
    environment = serializers.CharField()


class RetryIn(Shape):
    from_step = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0)


class ResolveIn(Shape):
    outcome = serializers.CharField()
    reason = serializers.CharField(max_length=500)


class SecretIn(Shape):
    value = serializers.CharField(trim_whitespace=False, max_length=65_536)


class TokenIn(Shape):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    days = serializers.IntegerField(required=False, default=90, min_value=1, max_value=366)


class AnyOut(Serializer[Any]):
    """An answer whose fields are described by its own page of the documentation."""
