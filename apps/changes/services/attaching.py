"""Giving a backlog request its branch: by choice of a person, or by what was pushed."""

from __future__ import annotations

import re

from django.db import transaction

from apps.accounts.models import User
from apps.audit.actors import SYSTEM
from apps.changes import access, branches
from apps.changes.lifecycle import Event, Status, next_status
from apps.changes.models import ChangeRequest, Revision
from apps.changes.snapshots import Snapshot, take
from apps.changes.transitions import Entry, prepare, require_free_pair, write_revision
from apps.core.errors import Conflict
from apps.repositories.models import RefUpdate, Repository
from apps.repositories.queries import is_usable_name, tip
from apps.vcs import history

BRANCH = re.compile(r"change/CHG-(?P<number>[1-9]\d{0,8})(?:-.*)?", re.IGNORECASE)
TRAILER = "change-request"
TRAILER_VALUE = re.compile(r"CHG-(?P<number>[1-9]\d{0,8})", re.IGNORECASE)
MAX_COMMITS = 500
"""Trailers are looked for in this many commits of a pushed branch, newest first."""


def attach_branch(actor: User, *, change: ChangeRequest, source_branch: str, draft: bool = False) -> ChangeRequest:
    """Attach ``source_branch`` to a request; it is then in review (or a draft).

    Errors as of :func:`create_change`; 409 ``wrong_state`` when the change has a branch already.
    """
    access.require_visible(access.can_attach(actor, change))
    event = Event.ATTACH_DRAFT if draft else Event.ATTACH
    looked = branches.look(change.repository)
    change.refresh_from_db()
    status = next_status(change.status, event)
    pair = branches.resolve_pair(change.repository, source_branch, change.target_branch, looked=looked)
    require_free_pair(change, change.repository_id, pair.source, pair.target)
    branches.require_something(
        take(change.repository.mirror_path, head=pair.head, target=pair.tip), pair.source, pair.target
    )
    snapshot = prepare(change, head=pair.head, target=pair.tip)
    entry = Entry(
        "change.attached",
        f"{actor.username} attached {pair.source} to {change.label}",
        {"source": pair.source, "by": "choice", "draft": draft},
    )
    with transaction.atomic():
        write_revision(
            change,
            snapshot,
            cause=Revision.Cause.ATTACHED,
            actor=actor,
            opener=actor,
            entry=entry,
            status=str(status),
            source_branch=pair.source,
            source_deleted_at=None,
            owner=change.owner or actor,
        )
    return change


def wanted_by_push(repository: Repository, update: RefUpdate, head: str) -> tuple[ChangeRequest, str] | None:
    """The backlog request that a pushed branch is for, and how it says so (``branch name`` or ``trailer``).

    Only a request of the same repository that has no branch; a branch that names several is for none.
    """
    if not is_usable_name(update.branch) or update.branch == repository.default_branch:
        return None
    named = BRANCH.fullmatch(update.branch)
    numbers, how = ({int(named["number"])}, "branch name") if named else (set(), "trailer")
    if not numbers:
        numbers = _trailers(repository, head)
    if len(numbers) != 1:
        return None
    requests = ChangeRequest.objects.filter(
        repository=repository, number__in=numbers, status=str(Status.REQUESTED), source_branch=""
    )
    change = requests.select_related("repository", "revision").first()
    if change is None or change.target_branch == update.branch:
        return None
    return change, how


def prepare_attachment(change: ChangeRequest, branch: str, head: str) -> Snapshot | None:
    """The first revision of ``change`` from ``branch``; ``None`` while there is nothing to attach."""
    target = tip(change.repository, change.target_branch)
    if not target:
        return None
    try:
        require_free_pair(change, change.repository_id, branch, change.target_branch)
    except Conflict:
        return None
    found = take(change.repository.mirror_path, head=head, target=target)
    if found.commit_count == 0 or not found.bases:
        return None
    return prepare(change, head=head, target=target)


def write_attachment(change: ChangeRequest, snapshot: Snapshot, *, update: RefUpdate, how: str) -> None:
    """Attach by a push: a fact that the portal saw, so it is the actor, and the pusher is named."""
    pusher = update.pusher
    by = f" pushed by {pusher.username}" if pusher else ""
    entry = Entry(
        "change.attached",
        f"{update.branch}{by} was attached to {change.label} by its {how}",
        {"source": update.branch, "by": how, "pusher": pusher.username if pusher else ""},
    )
    write_revision(
        change,
        snapshot,
        cause=Revision.Cause.ATTACHED,
        actor=SYSTEM,
        pusher=pusher,
        opener=pusher,
        entry=entry,
        status=str(next_status(change.status, Event.ATTACH)),
        source_branch=update.branch,
        source_deleted_at=None,
        owner=change.owner or pusher,
    )


def _trailers(repository: Repository, head: str) -> set[int]:
    base = tip(repository, repository.default_branch)
    if not base:
        return set()
    found = set()
    for commit in history.commits_between(repository.mirror_path, base, head, limit=MAX_COMMITS):
        for key, value in commit.trailers:
            if key.casefold() == TRAILER and (match := TRAILER_VALUE.fullmatch(value.strip())):
                found.add(int(match["number"]))
    return found
