"""Following Git: what a recorded branch movement means for the changes of its repository."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import transaction

from apps.audit.actors import SYSTEM
from apps.changes import contributions
from apps.changes.models import ChangeRequest, Contribution, Revision
from apps.changes.outside import is_outside, prepare_outside_change, prepare_return
from apps.changes.services.attaching import prepare_attachment, wanted_by_push, write_attachment
from apps.changes.snapshots import Person, people_between, pin, take
from apps.changes.transitions import (
    Entry,
    LostRace,
    announce,
    follow_fact,
    is_latest,
    lock_all,
    prepare,
    swap,
    write_revision,
)
from apps.core.clock import now
from apps.core.errors import Conflict, PortalError
from apps.policies.services import note_policy
from apps.repositories.models import RefUpdate, Repository
from apps.repositories.queries import tip
from apps.repositories.services import note_pins_restored
from apps.vcs.history import is_known_ancestor

logger = logging.getLogger(__name__)
ATTEMPTS = 4
Cause = Revision.Cause


@dataclass(frozen=True, slots=True)
class Step:
    """What has to be written because Git moved, with everything from Git already computed; ``change``: the one that it writes."""

    write: Callable[[], object]
    change: ChangeRequest | None = None


def take_update(update_id: int) -> bool:
    """Take one ``RefUpdate``: its mark is written with all that only it tells, in one transaction.

    Git is asked before the transaction; if a change moved meanwhile, everything is looked at again. All its changes are locked
    before the first of them is recorded (ADR 26): who waits for the log may hold any other.
    That the target of a change moved is also told by the tips, so each change to the branch follows by itself afterwards: of a hundred,
    one that is reviewed just then puts off no other, and what was done is done if the rest is broken off.
    ``False`` when somebody else took it, or it has to be tried later.
    """
    for _ in range(ATTEMPTS):
        update = RefUpdate.objects.untaken().select_related("repository", "pusher").filter(pk=update_id).first()
        if update is None:
            return False
        _note_policy(update)
        steps = list(_steps(update))
        try:
            with transaction.atomic():
                lock_all(step.change.pk for step in steps if step.change is not None)
                if not RefUpdate.objects.untaken().filter(pk=update_id).update(taken_at=now()):
                    return False
                for step in steps:
                    step.write()
        except Conflict:  # a change moved, or its branch pair was taken: look again
            continue
        _follow_target(update)
        return True
    return False


def follow_branches(change_id: int) -> None:
    """Bring one change to the recorded tips of its branches: what a push during a merge, or a look that was broken off, left behind."""
    _follow(change_id, lambda change: _source_step(change, None) or _target_step(change))


def _follow_target(update: RefUpdate) -> None:
    """What cannot be done for one change is left to the sweep, which asks :func:`follow_branches`."""
    changes = ChangeRequest.objects.following().filter(repository=update.repository_id, target_branch=update.branch)
    for pk, number in list(changes.order_by("pk").values_list("pk", "number")):
        try:
            _follow(pk, _target_step)
        except PortalError as error:
            logger.warning("change_not_followed", extra={"change": number, "code": error.code})


def _follow(change_id: int, make: Callable[[ChangeRequest], Step | None]) -> None:
    """Write what ``make`` finds out about one change; if that moved meanwhile, look again."""
    for _ in range(ATTEMPTS):
        change = ChangeRequest.objects.following().select_related("repository", "revision").filter(pk=change_id).first()
        step = make(change) if change is not None else None
        if change is None or step is None:
            return
        try:
            with transaction.atomic():
                step.write()
        except LostRace:
            logger.info("follow_lost_race", extra={"change": change.number})
        else:
            return


def restore_pins(repository_id: int) -> None:
    """Pin all revisions again in a mirror that was made anew, as far as their objects exist there."""
    repository = Repository.objects.get(pk=repository_id)
    for revision in Revision.objects.filter(change__repository=repository).select_related("change").iterator():
        try:
            snapshot = take(repository.mirror_path, head=revision.head_oid, target=revision.target_oid)
            pin(repository.mirror_path, revision.change.number, revision.number, snapshot)
        except PortalError as error:  # no branch leads to it any more: it cannot be had back from the remote
            facts = {"change": revision.change.number, "revision": revision.number, "code": error.code}
            logger.warning("pin_not_restored", extra=facts)
    note_pins_restored(repository)


def _note_policy(update: RefUpdate) -> None:
    """What governs the target branches is recorded with every move of theirs; doing it twice changes nothing."""
    # Each tip in its turn, not only the newest: the last valid policy may be one that was passed over.
    repository, head = update.repository, update.new_oid
    targets = ChangeRequest.objects.open().filter(repository=repository, target_branch=update.branch)
    if not head or (update.branch != repository.default_branch and not targets.exists()):
        return
    try:
        note_policy(repository, update.branch, head)
    except PortalError as error:
        logger.warning("policy_not_noted", extra={"repository": repository.name, "code": error.code})


def _steps(update: RefUpdate) -> Iterator[Step]:
    """What has to be written because of ``update``; what is no change's comes first, because a change ends with its entry of the log."""
    repository = update.repository
    yield Step(prepare_outside_change(update) if is_outside(update) else prepare_return(update))
    following = ChangeRequest.objects.following().filter(repository=repository)
    for change in following.filter(source_branch=update.branch).select_related("repository", "revision"):
        yield from _guarded(change, update)
        yield from _people_step(change, update)
    head = tip(repository, update.branch)
    if update.new_oid and head:
        yield from _attach_step(update, head)


def _guarded(change: ChangeRequest, update: RefUpdate) -> Iterator[Step]:
    """:func:`_source_step`; one change whose objects cannot be read must not stop the others; the sweep comes back to it."""
    try:
        step = _source_step(change, update)
    except PortalError as error:
        logger.warning("change_not_followed", extra={"change": change.number, "code": error.code})
        return
    if step is not None:
        yield step


def _source_step(change: ChangeRequest, update: RefUpdate | None) -> Step | None:
    if not change.source_branch:
        return None
    head = tip(change.repository, change.source_branch)
    if not head:
        return None if change.source_deleted_at else Step(lambda: _mark_deleted(change), change)
    target = tip(change.repository, change.target_branch) or _latest(change).target_oid
    recreated = change.source_deleted_at is not None
    if not recreated and is_latest(change, head=head, target=target):
        return None
    if not recreated and _latest(change).head_oid == head:
        return None  # only the target moved: that is told as such
    snapshot = prepare(change, head=head, target=target)
    cause = _cause(change, head, recreated=recreated)
    pusher = update.pusher if update and update.new_oid == head else None
    columns = {"source_deleted_at": None, "merge_when_allowed_by": None}
    return Step(lambda: write_revision(change, snapshot, cause=cause, actor=SYSTEM, pusher=pusher, **columns), change)


def _target_step(change: ChangeRequest) -> Step | None:
    target = tip(change.repository, change.target_branch)
    latest = _latest(change)
    if not target or latest.target_oid == target:
        return None
    source = tip(change.repository, change.source_branch) if change.source_branch else ""
    if source and source != latest.head_oid:
        return None  # the source moved as well: its own update makes the revision, with this target
    snapshot = prepare(change, head=latest.head_oid, target=target)
    return Step(lambda: write_revision(change, snapshot, cause=Cause.TARGET_MOVED, actor=SYSTEM), change)


def _mark_deleted(change: ChangeRequest) -> None:
    summary = f"The branch {change.source_branch} of {change.label} was deleted"
    data = {"source": change.source_branch, "head": _latest(change).head_oid}
    entry = Entry("change.branch_deleted", summary, data)
    follow_fact(change, actor=SYSTEM, entry=entry, source_deleted_at=now())


def _people_step(change: ChangeRequest, update: RefUpdate) -> Iterator[Step]:
    """Who wrote or pushed commits that were replaced before a revision showed them contributed as well."""
    target = tip(change.repository, change.target_branch)
    if not update.new_oid or not target:
        return
    try:
        people = people_between(change.repository.mirror_path, target, update.new_oid)
    except PortalError:
        people = ()
    yield Step(lambda: _add_contributors(change, people, update), change)


def _add_contributors(change: ChangeRequest, people: tuple[Person, ...], update: RefUpdate) -> None:
    number = change.revision.number if change.revision else 0
    before = Contribution.objects.filter(change=change).count()
    contributions.add_people(change, people, revision=number)
    contributions.add_account(change, update.pusher, Contribution.How.PUSHED, revision=number)
    if Contribution.objects.filter(change=change).count() != before:
        swap(change)  # an approval that is being judged must see the new contributor
        announce(change)


def _attach_step(update: RefUpdate, head: str) -> Iterator[Step]:
    try:
        found = wanted_by_push(update.repository, update, head)
        if found is None:
            return
        change, how = found
        snapshot = prepare_attachment(change, update.branch, head)
    except PortalError as error:
        logger.warning("branch_not_attached", extra={"branch": update.branch, "code": error.code})
        return
    if snapshot is not None:
        yield Step(lambda: write_attachment(change, snapshot, update=update, how=how), change)


def _cause(change: ChangeRequest, head: str, *, recreated: bool) -> str:
    if recreated:
        return Cause.RECREATED
    forward = is_known_ancestor(change.repository.mirror_path, _latest(change).head_oid, head)
    return Cause.PUSHED if forward else Cause.FORCE_PUSHED


def _latest(change: ChangeRequest) -> Revision:
    if change.revision is None:
        raise Conflict("no_revision", f"{change.label} has no code yet.")
    return change.revision
