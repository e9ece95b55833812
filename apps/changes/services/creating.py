"""Asking for a change: without code, from a branch, or back to an earlier state."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.accounts.models import User
from apps.audit.actors import SYSTEM, Actor
from apps.changes import branches, contributions
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeNumber, ChangeRequest, OutsideChange, Revision
from apps.changes.outside import pushers_before
from apps.changes.snapshots import Snapshot, pin, take, take_move
from apps.changes.transitions import Entry, record, require_free_pair, write_revision
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.repositories import access as repositories
from apps.repositories.models import Repository
from apps.repositories.roles import ASK, WRITE

MAX_TITLE = 200
MAX_DESCRIPTION = 50_000
CONTROLS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def create_change(
    actor: User,
    *,
    repository: Repository,
    title: str,
    description: str = "",
    source_branch: str = "",
    target_branch: str = "",
    draft: bool = False,
) -> ChangeRequest:
    """Ask for a change. With ``source_branch`` it starts in review (or as a draft), else in the backlog.

    Guarantees: change, first revision, pins, contributors and audit entry exist together or not at all;
    numbers have no gaps. Errors: 422 ``bad_title``, ``bad_branch_name``, ``unknown_branch``,
    ``same_branch``, ``nothing_to_merge``; 409 ``branch_pair_taken``, ``unrelated_histories``; 503 ``not_looked``.
    """
    repositories.require(actor, repository, WRITE if source_branch.strip() else ASK)
    title, description = check_title(title), check_description(description)
    if not source_branch.strip():
        target, _ = branches.resolve_target(
            repository, target_branch, looked=False
        )  # only what is not known is asked for
        return _create_request(actor, repository, title, description, target)
    return _open(actor, repository, title, description, source_branch, target_branch, draft=draft)


def _open(
    actor: User, repository: Repository, title: str, description: str, source: str, target: str, *, draft: bool
) -> ChangeRequest:
    looked = branches.look(repository)
    pair = branches.resolve_pair(repository, source, target, looked=looked)
    require_free_pair(None, repository.pk, pair.source, pair.target)
    snapshot = take(repository.mirror_path, head=pair.head, target=pair.tip)
    branches.require_something(snapshot, pair.source, pair.target)
    with transaction.atomic():
        change = _insert(
            actor,
            repository=repository,
            title=title,
            description=description,
            status=str(Status.DRAFT if draft else Status.IN_REVIEW),
            target_branch=pair.target,
            owner=actor,
        )
        entry = Entry(
            "change.opened",
            f"{actor.username} opened {change.label} from {pair.source} for {pair.target}: {title}",
            {"title": title, "source": pair.source, "target": pair.target, "draft": draft},
        )
        _first_revision(change, snapshot, Revision.Cause.ATTACHED, actor, entry, source_branch=pair.source)
    return change


def _first_revision(
    change: ChangeRequest,
    snapshot: Snapshot,
    cause: str,
    actor: User,
    entry: Entry,
    *,
    recorded_as: Actor | None = None,
    **columns: Any,
) -> None:
    # The number is known only now; the pins are there before the row is committed.
    pin(change.repository.mirror_path, change.number, 1, snapshot)
    write_revision(change, snapshot, cause=cause, actor=recorded_as or actor, opener=actor, entry=entry, **columns)


def create_inverse_change(
    actor: User,
    *,
    change: ChangeRequest,
    environments: list[str],
    title: str,
    description: str,
    head_oid: str,
    rule: str = "",
) -> ChangeRequest:
    """A change in review that takes ``change`` back; ``head_oid`` is the commit that does it.

    The commit was written by the portal, so only the person who asks contributes to it. ``rule``: why a rule asks, in the name of
    ``actor``; then the log has the portal as who did it.
    """
    repositories.require(actor, change.repository, WRITE)
    target, snapshot = _take_written(change.repository, change.target_branch, head_oid)

    def said(inverse: ChangeRequest) -> Entry:
        summary = f"{actor.username} asked to roll back {change.label} with {inverse.label}"
        facts = {"rolls_back": change.number, "environments": list(environments)}
        if rule:
            summary = f"{inverse.label} is to roll back {change.label} by a rule of portal.yaml, for {rule}"
            facts |= {"rule": rule, "on_behalf_of": actor.username}
        return Entry("rollback.requested", summary, facts)

    return _propose(
        actor, snapshot, Revision.Cause.INVERSE, said, recorded_as=SYSTEM if rule else None,
        repository=change.repository, target_branch=target, title=title, description=description,
        kind=ChangeRequest.Kind.ROLLBACK, rolls_back=change, rollback_environments=list(environments),
    )  # fmt: skip


def create_returning_change(
    actor: User,
    *,
    repository: Repository,
    target_branch: str,
    environment: str,
    title: str,
    description: str,
    head_oid: str,
    facts: dict[str, Any],
    rule: str = "",
) -> ChangeRequest:
    """A change in review that takes ``environment`` back to an earlier state; ``head_oid`` is the portal's commit that does it.

    ``facts`` stand in its entry of the log. Only the person who asks contributes. ``rule`` as for :func:`create_inverse_change`.
    """
    repositories.require(actor, repository, WRITE)
    target, snapshot = _take_written(repository, target_branch, head_oid)

    def said(change: ChangeRequest) -> Entry:
        summary = f"{actor.username} asked to bring {facts['to']} back to {environment} with {change.label}"
        told = {"environments": [environment], **facts}
        if rule:
            summary = (
                f"{change.label} is to bring {facts['to']} back to {environment} by a rule of portal.yaml, for {rule}"
            )
            told |= {"rule": rule, "on_behalf_of": actor.username}
        return Entry("rollback.requested", summary, told)

    return _propose(
        actor, snapshot, Revision.Cause.INVERSE, said, recorded_as=SYSTEM if rule else None,
        repository=repository, target_branch=target, title=title, description=description,
        kind=ChangeRequest.Kind.ROLLBACK, rollback_environments=[environment],
    )  # fmt: skip


def create_adoption(actor: User, *, outside: OutsideChange, title: str) -> ChangeRequest:
    """A change in review of what was pushed past the portal, frozen as it happened; landing it pushes nothing.

    Everybody in its commits, who pushed it, also what it replaced, and who asks contributed, and cannot approve. To be called
    in a transaction that holds ``outside``; one entry of the log.
    """
    repository = outside.repository
    repositories.require(actor, repository, WRITE)
    snapshot = take_move(repository.mirror_path, old=outside.old_oid, new=outside.new_oid)
    description = (
        f"{outside.branch} was moved from {outside.old_oid} to {outside.new_oid} past the portal. "
        "Approve it to let what it brought be deployed, or revert it."
    )

    def said(change: ChangeRequest) -> Entry:
        what = f"what was pushed to {outside.branch} past the portal"
        summary = f"{actor.username} proposed to adopt {what}, with {change.label}"
        data = {"old": outside.old_oid, "new": outside.new_oid, "kind": outside.kind}
        return Entry("outside_change.adoption_proposed", summary, data)

    change = _propose(
        actor, snapshot, Revision.Cause.OUTSIDE, said, pusher=outside.pusher,
        repository=repository, target_branch=outside.branch, title=title, description=description,
        kind=ChangeRequest.Kind.ADOPTION,
    )  # fmt: skip
    for pusher in pushers_before(outside):
        contributions.add_account(change, pusher, contributions.How.PUSHED, revision=1)
    return change


def create_restoring_change(
    actor: User,
    *,
    repository: Repository,
    target_branch: str,
    title: str,
    description: str,
    head_oid: str,
    entry: Entry,
) -> ChangeRequest:
    """A change in review whose commit ``head_oid`` the portal wrote; the ordinary gate, and only who asks contributes."""
    repositories.require(actor, repository, WRITE)
    target, snapshot = _take_written(repository, target_branch, head_oid)
    return _propose(
        actor, snapshot, Revision.Cause.INVERSE, lambda _: entry,
        repository=repository, target_branch=target, title=title, description=description,
    )  # fmt: skip


def _take_written(repository: Repository, target_branch: str, head_oid: str) -> tuple[str, Snapshot]:
    """The target's name, and what merging a commit that the portal wrote would do to it now."""
    target, tip = branches.resolve_target(repository, target_branch)
    snapshot = take(repository.mirror_path, head=head_oid, target=tip)
    branches.require_something(snapshot, "The inverse commit", target)
    return target, snapshot


def _propose(
    actor: User,
    snapshot: Snapshot,
    cause: str,
    said: Callable[[ChangeRequest], Entry],
    *,
    title: str,
    description: str,
    pusher: User | None = None,
    recorded_as: Actor | None = None,
    **columns: Any,
) -> ChangeRequest:
    """A change without a branch, in review; its number, which ``said`` may name, is known only in between."""
    title, description = check_title(title), check_description(description)
    with transaction.atomic():
        change = _insert(
            actor, title=title, description=description, status=str(Status.IN_REVIEW), owner=actor, **columns
        )
        _first_revision(change, snapshot, cause, actor, said(change), pusher=pusher, recorded_as=recorded_as)
    return change


def check_title(title: str) -> str:
    """One line of 1 to 200 characters; ``InvalidInput bad_title``."""
    text = CONTROLS.sub(" ", title).strip()
    if not text or len(text) > MAX_TITLE:
        raise InvalidInput("bad_title", f"Give the change a title of at most {MAX_TITLE} characters.", field="title")
    return _storable(text, "title")


def check_description(description: str) -> str:
    """Text of at most 50,000 characters; ``InvalidInput bad_description``."""
    if len(description) > MAX_DESCRIPTION:
        raise InvalidInput(
            "bad_description", f"The description may have at most {MAX_DESCRIPTION:,} characters.", field="description"
        )
    return _storable(description.replace("\0", "").strip(), "description")


def _storable(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"bad_{field}", f"The {field} holds characters that are not valid Unicode.", field=field
        ) from error
    return text


@transaction.atomic
def _create_request(actor: User, repository: Repository, title: str, description: str, target: str) -> ChangeRequest:
    change = _insert(
        actor,
        repository=repository,
        title=title,
        description=description,
        status=str(Status.REQUESTED),
        target_branch=target,
    )
    summary = f"{actor.username} asked for {change.label}: {title}"
    record(change, actor, Entry("change.requested", summary, {"title": title, "target": target}))
    return change


def _insert(actor: User, **columns: Any) -> ChangeRequest:
    at = now()
    return ChangeRequest.objects.create(number=_next_number(), requester=actor, created_at=at, updated_at=at, **columns)


def _next_number() -> int:
    # The update locks the row until the transaction ends, so numbers have no gaps and never repeat.
    ChangeNumber.objects.get_or_create(pk=1)
    ChangeNumber.objects.filter(pk=1).update(last=F("last") + 1)
    return ChangeNumber.objects.values_list("last", flat=True).get(pk=1)
