"""The only code that writes a change's status or revision: compare-and-swap, one audit entry, one notice.

Every function raises :class:`Conflict` when the change is no longer what the caller saw; then nothing
is written. ``actor`` is an account or an ``audit.actors.Actor``; ``entry`` replaces the audit entry
that is written otherwise, so that a use case of an upper context records exactly one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes import contributions
from apps.changes.lifecycle import FOLLOWS_GIT, Event, Status, next_status, words
from apps.changes.models import ChangeRequest, Contribution, Revision
from apps.changes.signals import change_changed
from apps.changes.snapshots import Snapshot, pin, take
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.failpoints import failpoint
from apps.core.work import request_work

REFRESH_REVIEWERS = "reviews.refresh_reviewers"
PLAN_RENDERINGS = "changes.plan_renderings"
Cause = Revision.Cause


class LostRace(Conflict):
    """Somebody changed the change between our look and our write."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the audit log shall say instead of the default."""

    action: str
    summary: str
    data: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    environment: str = ""


def as_actor(actor: User | Actor) -> Actor:
    return actor if isinstance(actor, Actor) else Actor.of(actor)


def apply_event(
    change: ChangeRequest,
    event: Event,
    *,
    actor: User | Actor,
    entry: Entry,
    version: int | None = None,
    **columns: Any,
) -> None:
    """Move ``change`` along ``event`` and write ``columns`` with it.

    ``version``: what the caller saw (default: that of the instance).
    """
    status = next_status(change.status, event)
    with transaction.atomic():
        swap(change, version=version, status=str(status), **columns)
        record(change, actor, entry)


def swap(change: ChangeRequest, *, version: int | None = None, **columns: Any) -> None:
    """Write ``columns`` if status and version still are what the caller saw; :class:`LostRace` otherwise."""
    seen = change.version if version is None else version
    columns = {**columns, "version": seen + 1, "updated_at": now()}
    expected = {"status": change.status, "version": seen}
    if not ChangeRequest.objects.compare_and_swap(change.pk, expected=expected, changes=columns):
        raise LostRace(
            "change_moved",
            f"{change.label} was changed by somebody else at this moment. Reload it to see what moved, and decide again.",
            change=change.number,
        )
    for name, value in columns.items():
        setattr(change, name, value)


def record(change: ChangeRequest, actor: User | Actor, entry: Entry) -> None:
    """The audit entry of what just happened to ``change``, and the notices after commit."""
    audit.record(
        as_actor(actor),
        entry.action,
        target=entry.target or change.label,
        repository=change.repository.name,
        change=change.number,
        environment=entry.environment,
        summary=entry.summary,
        data={"version": change.version, "status": str(change.status), **entry.data},
    )
    announce(change)


def announce(change: ChangeRequest) -> None:
    """Tell the contexts above, once the transaction has committed."""
    pk = change.pk
    request_work(REFRESH_REVIEWERS, pk)
    transaction.on_commit(lambda: change_changed.send(sender=None, change_id=pk))


def lock_change(change: ChangeRequest) -> ChangeRequest:
    """The row as it is now, locked until the transaction ends.

    Nothing that may be exchanged (the revision, the owner) is joined: PostgreSQL, having waited for the lock, would join to the
    row as it became what belonged to the row as it was, which is nothing.
    """
    rows = ChangeRequest.objects.select_for_update(of=("self",), no_key=True).select_related("repository")
    return rows.get(pk=change.pk)


def lock_pair(change: ChangeRequest) -> None:
    """Lock ``change`` and the one that it rolls back, for who writes both: the older first, as everybody does."""
    lock_all([change.pk, change.rolls_back_id])


def lock_all(keys: Iterable[int | None]) -> None:
    """Lock the changes with these keys, the older first; ``None`` among them is nothing."""
    rows = ChangeRequest.objects.select_for_update(no_key=True).filter(pk__in={pk for pk in keys if pk is not None})
    list(rows.order_by("pk").values_list("pk", flat=True))


# --- revisions ---------------------------------------------------------------------------


def append_revision(
    change: ChangeRequest,
    *,
    cause: str,
    head: str,
    target: str,
    actor: User | Actor,
    pusher: User | None = None,
    entry: Entry | None = None,
) -> Revision:
    """The revision of ``change`` for ``head`` and ``target`` (full oids): a new one, or the latest if equal.

    Objects are pinned before the row is written. A lost race is tried once more, then it is a
    :class:`Conflict`; so is a change that no longer follows Git.
    """
    for is_last in (False, True):
        change.refresh_from_db()
        require_following(change)
        if is_latest(change, head=head, target=target):
            with transaction.atomic():
                contributions.add_account(change, pusher, Contribution.How.PUSHED, revision=_latest(change).number)
            return _latest(change)
        snapshot = prepare(change, head=head, target=target)
        try:
            with transaction.atomic():
                return write_revision(change, snapshot, cause=cause, actor=actor, pusher=pusher, entry=entry)
        except LostRace:
            if is_last:
                raise
    raise AssertionError  # pragma: no cover - the loop returns or raises


def require_following(change: ChangeRequest) -> None:
    if change.status not in FOLLOWS_GIT:
        raise Conflict(
            "wrong_state",
            f"{change.label} is {words(change.status)} and takes no new revisions now.",
            status=change.status,
        )


def is_latest(change: ChangeRequest, *, head: str, target: str) -> bool:
    """Whether the latest revision already shows this merge, into this branch."""
    latest = change.revision
    return latest is not None and (latest.head_oid, latest.target_oid, latest.target_branch) == (
        head,
        target,
        change.target_branch,
    )


def prepare(change: ChangeRequest, *, head: str, target: str) -> Snapshot:
    """Compute and pin the next revision; no row is written, so this belongs before the transaction."""
    git_dir = change.repository.mirror_path
    snapshot = take(git_dir, head=head, target=target)
    pin(git_dir, change.number, next_number(change), snapshot)
    failpoint("K5")
    return snapshot


def next_number(change: ChangeRequest) -> int:
    return change.revision.number + 1 if change.revision else 1


def write_revision(
    change: ChangeRequest,
    snapshot: Snapshot,
    *,
    cause: str,
    actor: User | Actor,
    pusher: User | None = None,
    opener: User | None = None,
    entry: Entry | None = None,
    **columns: Any,
) -> Revision:
    """Insert the prepared revision and make it the present one, with ``columns`` in the same swap.

    To be called in a transaction, on an instance as fresh as the snapshot.
    """
    source = columns.get("source_branch", change.source_branch)
    target = columns.get("target_branch", change.target_branch)
    fresh = Revision(
        change=change,
        number=next_number(change),
        cause=cause,
        source_branch=source,
        target_branch=target,
        pusher=pusher,
        created_at=now(),
        **_facts(snapshot),
    )
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
            swap(change, revision=fresh, **columns)
    except IntegrityError as error:
        raise _why_not(change, source, target) from error
    if not _is_made_by_portal(change, source):
        contributions.add_people(change, snapshot.people, revision=fresh.number)
        contributions.add_pushers(change, source, snapshot.commits, revision=fresh.number)
    contributions.add_account(change, pusher, Contribution.How.PUSHED, revision=fresh.number)
    contributions.add_account(change, opener, Contribution.How.OPENED, revision=fresh.number)
    record(change, actor, _revision_entry(change, fresh, actor, pusher, entry))
    request_work(PLAN_RENDERINGS, fresh.pk)
    return fresh


def require_free_pair(change: ChangeRequest | None, repository_id: int, source: str, target: str) -> None:
    """``Conflict branch_pair_taken`` with the number of the open change for these branches."""
    if not source:
        return
    states = [str(state) for state in (Status.DRAFT, Status.IN_REVIEW, Status.MERGING)]
    others = ChangeRequest.objects.filter(
        repository=repository_id, source_branch=source, target_branch=target, status__in=states
    )
    if change is not None and change.pk is not None:
        others = others.exclude(pk=change.pk)
    other = others.values_list("number", flat=True).first()
    if other is not None:
        raise Conflict(
            "branch_pair_taken",
            f"CHG-{other} already proposes {source} for {target}. Continue there, or withdraw it first.",
            number=other,
        )


def _facts(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "head_oid": snapshot.head,
        "target_oid": snapshot.target,
        "merge_bases": list(snapshot.bases),
        "result_tree": snapshot.tree,
        "conflicts": list(snapshot.conflicts),
        "subject": snapshot.subject,
        "paths": list(snapshot.paths),
        "files_changed": snapshot.files_changed,
        "lines_added": snapshot.lines_added,
        "lines_removed": snapshot.lines_removed,
        "uncounted_files": snapshot.uncounted_files,
        "commit_count": snapshot.commit_count,
    }


def _latest(change: ChangeRequest) -> Revision:
    if change.revision is None:
        raise Conflict("no_revision", f"{change.label} has no code yet.")
    return change.revision


def _is_made_by_portal(change: ChangeRequest, source: str) -> bool:
    """Without a branch there are only the portal's own commits, but for what others pushed past it."""
    return not source and change.kind != ChangeRequest.Kind.ADOPTION


def _why_not(change: ChangeRequest, source: str, target: str) -> Conflict:
    try:
        require_free_pair(change, change.repository_id, source, target)
    except Conflict as taken:
        return taken
    return LostRace(
        "change_moved", f"{change.label} got another revision at this moment. Reload it.", change=change.number
    )


def _revision_entry(
    change: ChangeRequest, revision: Revision, actor: User | Actor, pusher: User | None, entry: Entry | None
) -> Entry:
    facts: dict[str, Any] = {
        "revision": revision.number,
        "cause": str(revision.cause),
        "head": revision.head_oid,
        "target_tip": revision.target_oid,
        "result_tree": revision.result_tree,
        "conflicts": list(revision.conflicts)[:50],
        "pusher": pusher.username if pusher else "",
    }
    if entry is not None:
        return Entry(entry.action, entry.summary, facts | entry.data, entry.target, entry.environment)
    said = revision.get_cause_display().lower()
    by = f" by {pusher.username}" if pusher else ""
    return Entry("change.revision_added", f"{revision.label} of {change.label}: {said}{by}", facts)


# --- merging and after -------------------------------------------------------------------


def begin_merge(change: ChangeRequest, *, version: int, actor: User | Actor, entry: Entry | None = None) -> None:
    """in_review → merging, if nothing moved since ``version``: exactly one of a merge and a push wins."""
    name = as_actor(actor).name
    default = Entry("change.merging", f"{name} started the merge of {change.label}")
    apply_event(change, Event.MERGE, actor=actor, entry=entry or default, version=version, merge_when_allowed_by=None)


def return_to_review(change: ChangeRequest, reason: str, actor: User | Actor, *, entry: Entry | None = None) -> None:
    """merging → in_review, with the reason; branches that moved meanwhile are followed again at once."""
    default = Entry("change.merge_failed", f"{change.label} went back to review: {reason}", {"reason": reason})
    apply_event(change, Event.RETURN, actor=actor, entry=entry or default)
    request_work("changes.follow_branches", change.pk)


def land(change: ChangeRequest, *, commit: str, actor: User | Actor, entry: Entry | None = None) -> None:
    """merging → merged: ``commit`` (full oid) is on the target branch of the remote."""
    default = Entry("change.merged", f"{change.label} was merged as {commit[:12]}", {"commit": commit})
    apply_event(change, Event.LAND, actor=actor, entry=entry or default, merge_commit=commit, merged_at=now())


def finish(change: ChangeRequest, actor: User | Actor, reason: str = "", *, entry: Entry | None = None) -> None:
    """merged → done: everything due was deployed, or a maintainer said so with a ``reason``."""
    action = "change.closed" if reason else "change.completed"
    summary = f"{change.label} is done" + (f": {reason}" if reason else "")
    default = Entry(action, summary, {"reason": reason})
    apply_event(change, Event.FINISH, actor=actor, entry=entry or default, closed_reason=reason[:500])


def resume(change: ChangeRequest, actor: User | Actor, reason: str = "", *, entry: Entry | None = None) -> None:
    """done → merged: a deployment of it begins again."""
    default = Entry("change.reopened", f"{change.label} is being deployed again", {"reason": reason})
    apply_event(change, Event.RESUME, actor=actor, entry=entry or default, closed_reason="")


def set_owner(change: ChangeRequest, user: User | None) -> None:
    """Who is responsible for writing it; the caller records the use case. For every state before merging."""
    with transaction.atomic():
        swap(change, owner=user)
        announce(change)


def follow_fact(
    change: ChangeRequest, *, actor: User | Actor, entry: Entry, states: Collection[str] = FOLLOWS_GIT, **columns: Any
) -> None:
    """Write a fact of Git on a change in one of ``states``, without a new status."""
    if change.status not in states:
        require_following(change)
    with transaction.atomic():
        swap(change, **columns)
        record(change, actor, entry)
