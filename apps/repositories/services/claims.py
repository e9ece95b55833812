"""Whether merges need a claim that the Git host keeps."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.repositories import access
from apps.repositories.models import Repository
from apps.repositories.transitions import announce


@transaction.atomic
def require_claims(actor: User, *, repository: Repository, required: bool) -> Repository:
    """For maintainers. ``False``: a host that refuses refs outside ``refs/heads`` does not stop merges any more.

    Nothing is written, also not to the log, when it is so already.
    """
    access.require_maintain(actor, repository)
    rows = Repository.objects.filter(pk=repository.pk).exclude(claims_required=required)
    if rows.update(claims_required=required):
        said = "needs a claim for every merge in" if required else "lets merges go on without a claim in"
        audit.record(
            Actor.of(actor),
            "repository.claims_changed",
            target=repository.name,
            repository=repository.name,
            summary=f"{actor.username} {said} {repository.name}",
            data={"required": required},
        )
        announce(repository)
    repository.refresh_from_db()
    return repository
