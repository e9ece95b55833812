"""Shapes of requests. They check form only; rules live in the services."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.serializers import Serializer

from apps.accounts.models import Kind
from apps.accounts.scopes import SCOPES
from apps.api.fields import Address, Day, Flag, Number, Text, one_of
from apps.deployments.models import EnvironmentSecret
from apps.policies.config.environments import LONGEST_NAME
from apps.repositories.roles import Role
from apps.reviews.models import Review, Thread

MAX_BRANCH = 250
Roles = one_of(*Role.values)
Verdicts = one_of(*Review.Verdict.values)
Stages = one_of(*Review.Stage.values)
Kinds = one_of(*Thread.Kind.values)
Sides = one_of("old", "new")
Places = one_of(*Thread.Scope.values)
Outcomes = one_of("succeeded", "failed")
Scopes = one_of(*SCOPES)
SecretUses = one_of(*EnvironmentSecret.Use.values)
People = one_of(*Kind.values, checked=True)


class Shape(Serializer[Any]):
    """A body whose unknown fields are refused by name, so that a typing error is not silently lost."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                known = ", ".join(sorted(self.fields)) or "none"
                raise serializers.ValidationError(
                    {name[:80]: [f"Unknown field. Known fields: {known}."] for name in unknown[:20]}
                )
        return super().to_internal_value(data)


class ProblemShape(Serializer[Any]):
    """A problem document of RFC 9457; facts of the case stand beside these fields."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened, why, who can act and what to do next.")
    code = serializers.CharField(help_text="Constant, for programs.")
    request_id = serializers.CharField()

    def get_fields(self) -> Any:
        # Declared here because ``fields`` is an attribute of every serializer.
        sentences = serializers.ListField(child=serializers.CharField())
        return super().get_fields() | {"fields": serializers.DictField(child=sentences, required=False)}


class EmptyIn(Shape):
    pass


class RepositoryIn(Shape):
    name = Text(max_length=80)
    url = Text(max_length=500)
    default_branch = Text(required=False, allow_blank=True, default="", max_length=250)
    username = Text(required=False, allow_blank=True, default="", max_length=200)
    secret = Text(
        required=False, allow_blank=True, default="", write_only=True, trim_whitespace=False, max_length=10_000
    )
    ssh_key = Text(
        required=False, allow_blank=True, default="", write_only=True, trim_whitespace=False, max_length=20_000
    )
    members = serializers.DictField(child=Roles(), required=False, default=dict)


class MemberIn(Shape):
    role = Roles()


class KeyboardIn(Shape):
    is_on = Flag(required=False, default=True)
    keys = serializers.DictField(
        child=Text(allow_blank=True, max_length=20),
        required=False,
        default=dict,
        help_text="Keys by shortcut, as in the answer or as people write them (Shift+N); an empty text has none.",
    )


class TeamIn(Shape):
    name = Text(max_length=80)
    title = Text(required=False, allow_blank=True, default="", max_length=150)
    members = serializers.ListField(child=Text(max_length=150), required=False, default=list)


class TeamPatchIn(Shape):
    title = Text(required=False, allow_blank=True, max_length=150)
    description = Text(required=False, allow_blank=True, max_length=500)
    external_group = Text(required=False, allow_blank=True, max_length=300)


class UserIn(Shape):
    username = Text(max_length=60)
    display_name = Text(required=False, allow_blank=True, default="", max_length=150)
    email = Address(required=False, allow_blank=True, default="", max_length=254)
    password = Text(
        required=False, allow_blank=True, default="", max_length=200, write_only=True, trim_whitespace=False
    )
    kind = People(required=False, default="human")
    can_connect_repositories = Flag(required=False, default=False)
    administrator = Flag(required=False, default=False)
    sponsor = Text(
        required=False, allow_blank=True, default="", max_length=150, help_text="Who answers for a service account."
    )


class SponsorIn(Shape):
    sponsor = Text(
        allow_blank=True, allow_null=True, max_length=150, help_text="A handle; null: nobody answers for it."
    )


class UserPatchIn(Shape):
    can_connect_repositories = Flag()


class CredentialsIn(Shape):
    username = Text(required=False, allow_blank=True, default="", max_length=200)
    secret = Text(
        required=False, allow_blank=True, default="", write_only=True, trim_whitespace=False, max_length=10_000
    )
    ssh_key = Text(
        required=False, allow_blank=True, default="", write_only=True, trim_whitespace=False, max_length=20_000
    )


class TeamMembersIn(Shape):
    members = serializers.ListField(child=Text(max_length=150))


class ChangeIn(Shape):
    repository = Text(max_length=80)
    title = Text(max_length=200)
    description = Text(required=False, allow_blank=True, default="", max_length=50_000)
    source_branch = Text(
        required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False, max_length=MAX_BRANCH
    )
    target_branch = Text(
        required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False, max_length=MAX_BRANCH
    )
    draft = Flag(required=False, default=False)


class ChangePatchIn(Shape):
    title = Text(max_length=200, required=False)
    description = Text(required=False, allow_blank=True, max_length=50_000)


class AttachIn(Shape):
    source_branch = Text(trim_whitespace=False, max_length=MAX_BRANCH)
    draft = Flag(required=False, default=False)


class RetargetIn(Shape):
    target_branch = Text(trim_whitespace=False, max_length=MAX_BRANCH)


class ReasonIn(Shape):
    reason = Text(required=False, allow_blank=True, default="", max_length=500)


class AssignmentIn(Shape):
    user = Text(max_length=150)
    reason = Text(required=False, allow_blank=True, default="", max_length=500)


class DeclineIn(Shape):
    reason = Text(max_length=300)
    better = Text(required=False, allow_blank=True, default="", max_length=150)


class SwapIn(Shape):
    reason = Text(max_length=300)
    to = Text(required=False, allow_blank=True, default="", max_length=150)


class RebalanceIn(Shape):
    moves = serializers.ListField(child=Text(max_length=400), help_text="Keys of the plan: 1042:bob:kim")


class AbsenceIn(Shape):
    first_day = Day()
    last_day = Day()
    time_zone = Text(required=False, allow_blank=True, default="", max_length=64)
    deputy = Text(required=False, allow_blank=True, default="", max_length=150)
    note = Text(required=False, allow_blank=True, default="", max_length=200)


class TimeZoneIn(Shape):
    time_zone = Text(allow_blank=True, max_length=64)


class ThreadIn(Shape):
    body = Text(max_length=20_000)
    kind = Kinds(required=False, default="comment")
    path = Text(required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False, max_length=4096)
    file = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=64,
        help_text="Instead of `path`: the `id` of a file of the difference, for paths that hold what cannot be shown.",
    )
    start_line = Number(required=False, allow_null=True, default=None)
    line = Number(required=False, allow_null=True, default=None)
    side = Sides(required=False, default="new")
    scope = Places(required=False, allow_null=True, default=None)
    locator = Text(required=False, allow_blank=True, default="", max_length=500)
    revision = Number(required=False, allow_null=True, default=None)


class DraftIn(ThreadIn):
    body = Text(max_length=20_000, allow_blank=True, trim_whitespace=False)
    thread = Number(required=False, allow_null=True, default=None)
    pending = Flag(required=False, default=False)


class SuggestionsIn(Shape):
    revision = Number(min_value=1)
    comments = serializers.ListField(child=Number(min_value=1), min_length=1, max_length=100)


class DropIn(Shape):
    reason = Text(max_length=500)


class BodyIn(Shape):
    body = Text(max_length=20_000)


class ReviewIn(Shape):
    revision = Number(min_value=1)
    verdict = Verdicts()
    body = Text(required=False, allow_blank=True, default="", max_length=20_000)
    stage = Stages(required=False, default="merge")
    environment = Text(required=False, allow_blank=True, allow_null=True, default="", max_length=LONGEST_NAME)
    rollback = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=64,
        help_text="Approve the roll-back, too: the `digest` of `…/inverse/` that you looked at.",
    )


class ViewedFileIn(Shape):
    revision = Number(min_value=1)


class ViewedIn(ViewedFileIn):
    files = serializers.ListField(child=Text(max_length=64), allow_empty=False)
    viewed = Flag(required=False, default=True)


class DeploymentIn(Shape):
    change = Number(min_value=1)
    environment = Text(max_length=LONGEST_NAME)


class RetryIn(Shape):
    from_step = Number(required=False, allow_null=True, default=None, min_value=0)
    only_failed = Flag(required=False, default=False)


class ResolveIn(Shape):
    outcome = Outcomes()
    reason = Text(max_length=500)


class SecretIn(Shape):
    value = Text(trim_whitespace=False, max_length=65_536)
    used_for = SecretUses(required=False, default="deploy")


class TokenIn(Shape):
    name = Text(max_length=100)
    scopes = serializers.ListField(child=Scopes(), required=False, default=list)
    days = Number(required=False, default=90, min_value=1, max_value=366)
