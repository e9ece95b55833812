"""The keys of decisions, made in the transaction that writes them."""

from __future__ import annotations

import secrets

from django.db import IntegrityError, transaction

from apps.changes.models import ChangeRequest, Revision
from apps.deployments.keys import MERGE, binding, dispatch_key
from apps.deployments.models import Attempt, Deployment, MergeIntent, PortalIdentity


def portal_identity() -> str:
    """The random name of this portal; the first who asks writes it."""
    found = PortalIdentity.objects.filter(pk=1).first()
    if found is not None:
        return found.name
    try:
        with transaction.atomic():
            return PortalIdentity.objects.create(pk=1, name=secrets.token_hex(16)).name
    except IntegrityError:  # somebody else was first
        return PortalIdentity.objects.get(pk=1).name


def merge_key(change: ChangeRequest, revision: Revision) -> str:
    """Of the next decision to merge ``revision``; ``change`` is locked by the caller."""
    facts = binding(
        repository=str(change.repository.directory),
        branch=revision.target_branch,
        head=revision.head_oid,
        target=revision.target_oid,
        tree=revision.result_tree,
        subject=revision.subject,
    )
    return dispatch_key(
        portal=portal_identity(),
        change=change.number,
        place=MERGE,
        binding=facts,
        kind=change.kind,
        count=MergeIntent.objects.filter(change=change).count() + 1,
    )


def attempt_key(deployment: Deployment) -> str:
    """Of the next attempt; the caller holds the environment.

    It counts attempts of the change there, not numbers of deployments: a restored older database gives the same number to
    something else, and the outside must not take one for the other.
    """
    before = Attempt.objects.filter(
        deployment__change=deployment.change_id, deployment__environment=deployment.environment_id
    )
    environment = deployment.environment
    repeats = {"only_failed": True} if deployment.retry_only_failed else {}
    return dispatch_key(
        portal=portal_identity(),
        change=deployment.change.number,
        place=f"{environment.repository.directory}/{environment.name}",
        binding=binding(commit=deployment.commit, plan=deployment.plan, from_step=deployment.retry_from, **repeats),
        kind=deployment.kind,
        count=before.count() + 1,
    )
