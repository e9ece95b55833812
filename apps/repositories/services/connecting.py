"""Connecting a repository: look at it, mirror it, then write everything in one transaction."""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.core.secrets import encrypt
from apps.repositories import access, mirrors
from apps.repositories.models import Repository
from apps.repositories.queries import is_usable_name
from apps.repositories.roles import Role
from apps.repositories.services.members import Principal, check_role, resolve_members, write_role
from apps.repositories.transitions import announce, record_first_tips
from apps.vcs import installation, remotes

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
RESERVED = frozenset({"new", "connect"})
"""Words that are pages below ``/repositories/``."""

MAX_URL = 500


def connect_repository(
    actor: User,
    *,
    name: str,
    url: str,
    default_branch: str = "",
    username: str = "",
    secret: str = "",
    ssh_key: str = "",
    members: dict[str, str] | None = None,
) -> Repository:
    """Mirror the repository at ``url`` and make ``actor`` its maintainer.

    Guarantees: either the mirror, the row, the tips, the roles and the audit entry all exist, or none
    does. Errors: 422 ``bad_name``, ``unknown_members``, ``unknown_role``, ``unknown_branch``,
    ``url_refused``; 409 ``name_taken``; and the codes of :mod:`apps.vcs.remotes`.
    """
    access.require_connect(actor)
    name, url = name.strip(), url.strip()
    check_name(name)
    if not url or len(url) > MAX_URL:
        raise InvalidInput(
            "bad_url", f"Give the address of the repository (at most {MAX_URL} characters).", field="url"
        )
    roles = _wanted_roles(members or {})
    if Repository.objects.filter(name__iexact=name).exists():
        raise name_taken(name)
    remote = installation.source(url, username=username, secret=secret, ssh_key=ssh_key)
    repository = Repository(
        name=name,
        url=url,
        directory=uuid.uuid4(),
        credential_username=username,
        credential_secret=encrypt(secret),
        ssh_key=encrypt(ssh_key),
        webhook_secret=encrypt(new_webhook_secret()),
        created_by=actor,
    )
    _copy_and_write(actor, repository, remote, default_branch, roles)
    return repository


def _copy_and_write(
    actor: User, repository: Repository, remote: remotes.Source, wanted: str, roles: list[tuple[Principal, str]]
) -> None:
    choose_default_branch(
        wanted, remotes.probe(remote, limits=installation.limits())
    )  # before anything large is copied
    copied = remotes.mirror_into(remote, repository.mirror_path, limits=installation.limits())
    try:
        repository.default_branch = choose_default_branch(wanted, copied)
        _write(actor, repository, mirrors.shown(copied.branches), roles)
    except BaseException:
        mirrors.remove(repository.mirror_path)
        raise


@transaction.atomic
def _write(actor: User, repository: Repository, branches: dict[str, str], roles: list[tuple[Principal, str]]) -> None:
    at = now()
    repository.synced_at = at
    repository.next_poll_at = at + timedelta(seconds=settings.PORTAL_POLL_SECONDS)
    try:
        with transaction.atomic():
            repository.save(force_insert=True)
    except IntegrityError as error:
        raise name_taken(repository.name) from error
    record_first_tips(repository, branches, at=at)
    for who, role in roles:
        write_role(repository, who, role)
    write_role(repository, Principal(actor.username, user=actor), Role.MAINTAINER)
    audit.record(
        Actor.of(actor),
        "repository.connected",
        target=repository.name,
        repository=repository.name,
        summary=f"{actor.username} connected {repository.name}",
        data={
            "url": repository.url,
            "default_branch": repository.default_branch,
            "commit": branches.get(repository.default_branch, ""),
            "branches": len(branches),
            "members": {who.name: role for who, role in roles},
        },
    )
    announce(repository)


def check_name(name: str) -> None:
    """``InvalidInput bad_name`` unless the name can stand in an address."""
    if not NAME.fullmatch(name) or name.lower() in RESERVED:
        raise InvalidInput(
            "bad_name",
            "A repository name has 1 to 80 letters, digits, dashes and underscores, starts with a letter or digit, "
            f"and is none of: {', '.join(sorted(RESERVED))}.",
            field="name",
        )


def name_taken(name: str) -> Conflict:
    return Conflict("name_taken", f"A repository called {name} is already connected. Choose another name.", name=name)


def new_webhook_secret() -> str:
    """256 random bits in the notation of Standard Webhooks; other hosts use the same text as it is."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def choose_default_branch(wanted: str, found: remotes.Probe) -> str:
    """The branch asked for, else the remote's own, else the only one, else ``main`` or ``master``."""
    names = [name for name in mirrors.shown(found.branches) if is_usable_name(name)]
    if wanted:
        if wanted in names:
            return wanted
        listed = ", ".join(names[:8]) or "none"
        raise InvalidInput(
            "unknown_branch",
            f"The repository has no branch '{wanted}'. Its branches: {listed}.",
            field="default_branch",
            branches=names[:50],
        )
    if not names:
        raise Unavailable("repository_empty", "The repository has no branch yet. Push a first commit, then connect it.")
    candidates = [found.default_branch or "", *(names if len(names) == 1 else ()), "main", "master"]
    chosen = next((name for name in candidates if name in names), "")
    if not chosen:
        raise InvalidInput(
            "default_branch_unclear",
            "The repository does not say which branch is its main one. Choose one of: " + ", ".join(names[:8]) + ".",
            field="default_branch",
            branches=names[:50],
        )
    return chosen


def _wanted_roles(members: dict[str, str]) -> list[tuple[Principal, str]]:
    found = resolve_members(list(members))
    return [(found[name], check_role(role)) for name, role in members.items()]
