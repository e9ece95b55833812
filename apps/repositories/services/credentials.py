"""The secrets of a repository: how the portal signs in to it, and how its host signs notices to us."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.secrets import decrypt, encrypt
from apps.core.work import request_work
from apps.repositories import access
from apps.repositories.models import Repository
from apps.repositories.services.connecting import new_webhook_secret
from apps.repositories.transitions import announce
from apps.vcs import installation, remotes


def change_credentials(
    actor: User, *, repository: Repository, username: str = "", secret: str = "", ssh_key: str = ""
) -> Repository:
    """Replace the credentials after trying them: wrong ones are refused and the old ones stay."""
    access.require_maintain(actor, repository)
    remotes.probe(
        installation.source(repository.url, username=username, secret=secret, ssh_key=ssh_key),
        limits=installation.limits(),
    )
    with transaction.atomic():
        Repository.objects.filter(pk=repository.pk).update(
            credential_username=username,
            credential_secret=encrypt(secret),
            ssh_key=encrypt(ssh_key),
            sync_requested_at=now(),
        )
        kinds = [kind for kind, value in (("token", secret), ("key", ssh_key)) if value]
        facts = {"username": username, "kinds": kinds}
        _record(actor, repository, "repository.credentials_changed", "changed the credentials of", facts)
        request_work("repositories.sync", repository.pk)
    repository.refresh_from_db()
    return repository


@transaction.atomic
def rotate_webhook_secret(actor: User, *, repository: Repository) -> str:
    """A new webhook secret; the old one stops working at once. Returns it, to be entered at the host."""
    access.require_maintain(actor, repository)
    repository.webhook_secret = encrypt(new_webhook_secret())
    Repository.objects.filter(pk=repository.pk).update(webhook_secret=repository.webhook_secret)
    _record(actor, repository, "repository.webhook_secret_changed", "changed the webhook secret of")
    return decrypt(repository.webhook_secret)


def _record(actor: User, repository: Repository, action: str, what: str, data: dict[str, Any] | None = None) -> None:
    name, summary = repository.name, f"{actor.username} {what} {repository.name}"
    audit.record(Actor.of(actor), action, target=name, repository=name, summary=summary, data=data)
    announce(repository)
