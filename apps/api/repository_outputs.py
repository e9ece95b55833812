"""Shapes of repositories, their members and the notices of their hosts."""

from __future__ import annotations

from rest_framework import serializers

from apps.api.fields import maybe_moment, maybe_text, moment, string, texts, whole, word
from apps.api.outputs import Out
from apps.repositories.models import WebhookDelivery
from apps.repositories.roles import Role


class SyncProblemOut(Out):
    code = string()
    message = string()
    since = moment()
    failures = whole(help_text="Looks with a problem, one after the other.")


class RepositoryOut(Out):
    name = string()
    url = string()
    default_branch = string()
    synced_at = maybe_moment()
    sync_problem = SyncProblemOut(
        allow_null=True, help_text="Why the mirror could not be brought up to date, or not all of it."
    )


class MemberOut(Out):
    member = string(help_text="alice, or team/sre")
    role = word(Role)


class RepositoryDetailOut(RepositoryOut):
    branches = serializers.DictField(child=serializers.CharField(), help_text="Object id of the tip by branch.")
    members = MemberOut(many=True)
    may = texts("What the caller can do here.")


class WebhookSecretOut(Out):
    secret = maybe_text("In this answer only; null when the call is repeated with its Idempotency-Key.")


class DeliveryOut(Out):
    delivery = string()
    status = word(WebhookDelivery.Status)
