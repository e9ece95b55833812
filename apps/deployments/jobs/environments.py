"""Environments as the default branch defines them: from the moment a repository is connected."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from apps.core.errors import PortalError
from apps.deployments.models import DefinedEnvironments
from apps.deployments.transitions import refresh_environments
from apps.policies.queries import policy_at
from apps.repositories.models import BranchTip, Repository

log = structlog.get_logger(__name__)


def repositories_due(limit: int) -> Iterable[int]:
    """Repositories whose default branch moved since their environments were read."""
    tip = BranchTip.objects.filter(repository=OuterRef("pk"), name=OuterRef("default_branch")).values("oid")[:1]
    rows = Repository.objects.annotate(tip=Subquery(tip)).exclude(tip=None).exclude(tip="")
    moved = Q(defined_environments=None) | ~Q(defined_environments__commit=F("tip"))
    return rows.filter(moved).values_list("pk", flat=True)[:limit]


def read_environments(repository_id: int) -> None:
    """Bring the environments in line with portal.yaml on the tip. Idempotent."""
    repository = Repository.objects.get(pk=repository_id)
    tip = BranchTip.objects.filter(repository=repository, name=repository.default_branch).first()
    if tip is None or not tip.oid:
        return
    try:
        config = policy_at(repository, repository.default_branch, tip.oid).config
    except PortalError as problem:
        # The mirror lags behind the recorded tip for a moment; the next sweep reads it.
        log.info("environments_not_read", repository=repository.name, code=problem.code)
        return
    with transaction.atomic():
        refresh_environments(repository, config)
        DefinedEnvironments.objects.update_or_create(repository=repository, defaults={"commit": tip.oid})
