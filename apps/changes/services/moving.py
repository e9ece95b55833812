"""What people do with a change on its way: ready, draft, retarget, withdraw, reopen, edit, own, close."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.changes import access, branches
from apps.changes.lifecycle import Event, Status, next_status, words
from apps.changes.models import ChangeRequest, Revision
from apps.changes.services.creating import check_description, check_title
from apps.changes.transitions import (
    Entry,
    apply_event,
    finish,
    prepare,
    record,
    require_following,
    require_free_pair,
    swap,
    write_revision,
)
from apps.core.errors import Conflict, InvalidInput
from apps.core.text import shortened
from apps.core.verdict import Verdict
from apps.repositories import access as repositories
from apps.repositories.queries import tip

MAX_REASON = 500
MAX_RECORDED = 1_500
"""Characters of a text that its entry holds before and after: more could be too large for an entry, which then holds none."""


def mark_ready(actor: User, *, change: ChangeRequest) -> ChangeRequest:
    """draft → in_review."""
    _begin(change, access.can_mark_ready(actor, change))
    entry = Entry("change.made_ready", f"{actor.username} marked {change.label} ready for review")
    apply_event(change, Event.READY, actor=actor, entry=entry)
    return change


def back_to_draft(actor: User, *, change: ChangeRequest) -> ChangeRequest:
    """in_review → draft: nobody is asked for a review any more."""
    _begin(change, access.can_mark_ready(actor, change))
    entry = Entry("change.made_draft", f"{actor.username} made {change.label} a draft again")
    apply_event(change, Event.BACK_TO_DRAFT, actor=actor, entry=entry, merge_when_allowed_by=None)
    return change


def withdraw(actor: User, *, change: ChangeRequest, reason: str = "") -> ChangeRequest:
    """Give the change up, in any state before merging; it can be reopened."""
    _begin(change, access.can_withdraw(actor, change))
    reason = _checked_reason(reason)
    said = f"{actor.username} withdrew {change.label}" + (f": {reason}" if reason else "")
    apply_event(
        change,
        Event.WITHDRAW,
        actor=actor,
        entry=Entry("change.withdrawn", said, {"reason": reason}),
        closed_reason=reason,
        merge_when_allowed_by=None,
    )
    return change


def reopen(actor: User, *, change: ChangeRequest) -> ChangeRequest:
    """withdrawn → draft with a new revision, or back to the backlog when it never had code.

    A new revision whatever Git says: no approval survives by reopening alone (RELIABILITY I17).
    """
    _begin(change, access.can_withdraw(actor, change))
    if change.revision is None:
        entry = Entry("change.reopened", f"{actor.username} put {change.label} back into the backlog")
        apply_event(change, Event.REOPEN_REQUEST, actor=actor, entry=entry, closed_reason="")
        return change
    _require_not_adopted(change)
    status = next_status(change.status, Event.REOPEN)
    looked = branches.look(change.repository)
    head, columns = _reopened_head(change, looked=looked)
    target, oid = branches.resolve_target(change.repository, change.target_branch, looked=looked)
    require_free_pair(change, change.repository_id, change.source_branch, target)
    snapshot = prepare(change, head=head, target=oid)
    entry = Entry("change.reopened", f"{actor.username} reopened {change.label}")
    with transaction.atomic():
        write_revision(
            change,
            snapshot,
            cause=Revision.Cause.REOPENED,
            actor=actor,
            entry=entry,
            status=str(status),
            closed_reason="",
            **columns,
        )
    return change


def retarget(actor: User, *, change: ChangeRequest, target_branch: str) -> ChangeRequest:
    """Propose the same branch for another target: a new revision, under that target's rules."""
    _begin(change, access.can_retarget(actor, change))
    require_following(change)
    _require_not_adopted(change)
    _require_no_rollback(change)
    looked = branches.look(change.repository)
    change.refresh_from_db()
    target, oid = branches.resolve_target(change.repository, target_branch, looked=looked)
    if target == change.target_branch:
        raise InvalidInput("same_branch", f"{change.label} already goes to {target}.", field="target_branch")
    if target == change.source_branch:
        raise InvalidInput(
            "same_branch", f"A change goes from one branch to another; both are '{target}'.", field="target_branch"
        )
    require_free_pair(change, change.repository_id, change.source_branch, target)
    head = _present_head(change)
    snapshot = prepare(change, head=head, target=oid)
    branches.require_something(snapshot, change.source_branch or "The change", target)
    entry = Entry(
        "change.retargeted",
        f"{actor.username} retargeted {change.label} from {change.target_branch} to {target}",
        {"before": change.target_branch, "after": target},
    )
    with transaction.atomic():
        write_revision(
            change, snapshot, cause=Revision.Cause.RETARGETED, actor=actor, entry=entry, target_branch=target,
            merge_when_allowed_by=None,
        )  # fmt: skip
    return change


def edit_change(
    actor: User, *, change: ChangeRequest, title: str | None = None, description: str | None = None
) -> ChangeRequest:
    """Say better what the change is for; ``None`` keeps what is there."""
    _begin(change, access.can_edit(actor, change))
    columns: dict[str, Any] = {}
    if title is not None:
        columns["title"] = check_title(title)
    if description is not None:
        columns["description"] = check_description(description)
    before = {name: getattr(change, name) for name in columns}
    edited = [name for name in columns if before[name] != columns[name]]
    if not edited:
        return change
    with transaction.atomic():
        swap(change, **columns)
        said = f"{actor.username} edited the {' and '.join(edited)} of {change.label}"
        both = {"before": before, "after": columns}
        data = {when: {name: shortened(texts[name], MAX_RECORDED) for name in edited} for when, texts in both.items()}
        record(change, actor, Entry("change.updated", said, data))
    return change


def take_ownership(actor: User, *, change: ChangeRequest) -> ChangeRequest:
    """Take the change upon oneself."""
    return assign_owner(actor, change=change, owner=actor)


def assign_owner(actor: User, *, change: ChangeRequest, owner: User) -> ChangeRequest:
    """Make ``owner``, who can write here, responsible for the change."""
    _begin(change, access.can_take(actor, change))
    if change.status in {Status.DONE, Status.WITHDRAWN}:
        raise Conflict("wrong_state", f"{change.label} is {words(change.status)}; it needs no owner.")
    able = repositories.can_write(owner, change.repository)
    if not able.allowed:
        message = f"{owner.username} cannot write in {change.repository.name}, so cannot own {change.label}."
        raise InvalidInput("not_able", message, field="user")
    if change.owner_id == owner.pk:
        raise Conflict("already_owner", f"{owner.username} already owns {change.label}.")
    with transaction.atomic():
        swap(change, owner=owner)
        summary = f"{actor.username} made {owner.username} the owner of {change.label}"
        record(change, actor, Entry("change.assigned", summary, {"user": owner.username, "duty": "own"}))
    return change


def close_change(actor: User, *, change: ChangeRequest, reason: str) -> ChangeRequest:
    """merged → done by hand, although deployments are missing; the reason stays visible."""
    _begin(change, access.can_close(actor, change))
    text = _checked_reason(reason)
    if not text:
        raise InvalidInput("reason_required", "Say why nothing more needs to be deployed.", field="reason")
    finish(change, actor, text)
    return change


def _begin(change: ChangeRequest, verdict: Verdict) -> None:
    access.require_visible(verdict)
    change.refresh_from_db()


def _require_not_adopted(change: ChangeRequest) -> None:
    if change.kind == ChangeRequest.Kind.ADOPTION:
        message = f"{change.label} is about what happened on {change.target_branch}; propose that again among the outside changes."
        raise Conflict("adoption", message)


def _require_no_rollback(change: ChangeRequest) -> None:
    """On another branch it would take back nothing of what is deployed, and stop what waits to be all the same."""
    if change.kind == ChangeRequest.Kind.ROLLBACK:
        branch = change.target_branch
        message = f"{change.label} takes back what is on {branch}, so it cannot go to another branch."
        raise Conflict("rollback", f"{message} For that one, write the inverse in Git and propose it as a change.")


def _checked_reason(reason: str) -> str:
    text = reason.replace("\0", "").strip()
    if len(text) > MAX_REASON:
        raise InvalidInput("reason_too_long", f"A reason may have at most {MAX_REASON} characters.", field="reason")
    return text


def _present_head(change: ChangeRequest) -> str:
    """The tip of the source branch, or what is pinned when there is no branch (any more)."""
    pinned = change.revision.head_oid if change.revision else ""
    return (change.source_branch and tip(change.repository, change.source_branch)) or pinned


def _reopened_head(change: ChangeRequest, *, looked: bool) -> tuple[str, dict[str, Any]]:
    if not change.source_branch:
        return _present_head(change), {}
    head = branches.seen(change.repository, change.source_branch, "source_branch", looked=looked)
    if not head:
        raise Conflict(
            "source_gone",
            f"The branch {change.source_branch} does not exist any more. Push it again, then reopen {change.label}.",
        )
    return head, {"source_deleted_at": None}
