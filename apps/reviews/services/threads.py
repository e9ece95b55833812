"""Discussing a change: threads on any of its places, and the replies in them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest, Revision
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.reviews import access
from apps.reviews.anchors import LOCATED, Anchor, Scope, anchor_of
from apps.reviews.drafts import forget_draft
from apps.reviews.models import Comment, Thread
from apps.reviews.places import Found, find_lines
from apps.reviews.services.telling import thread_opened, thread_replied
from apps.reviews.suggestions import check_suggestion
from apps.reviews.thread_states import Event, next_state
from apps.reviews.transitions import mark_stale

MAX_BODY = 20_000


@transaction.atomic
def open_thread(
    actor: User,
    *,
    change: ChangeRequest,
    body: str,
    kind: str = Thread.Kind.COMMENT,
    path: str = "",
    line: int | None = None,
    start_line: int | None = None,
    side: str = "new",
    scope: str = "",
    locator: str = "",
    revision: int | None = None,
) -> Thread:
    """Start a thread on the change, or on a place in one of its revisions (default: the present one).

    Guarantees: the place exists in that revision, and its lines are kept with the thread. A line of a log is
    commented on by ``deployments.services.comment_on_log``, which knows the logs.
    """
    anchor = anchor_of(scope=scope, path=path, side=side, start_line=start_line, line=line, locator=locator)
    if anchor.scope == Scope.LOG:
        raise InvalidInput("bad_scope", "Comment on a line of a log on the page of its deployment.", field="scope")
    locked = lock_change(change)
    number = require_revision(locked, revision)
    thread = write_thread(actor, change=locked, anchor=anchor, revision=number, body=body, kind=kind)
    forget_draft(actor, locked, anchor=anchor)
    record(
        actor,
        thread,
        "thread.opened",
        f"opened thread {thread.number}",
        {"kind": kind, "path": anchor.path, "line": anchor.line, "place": anchor.place},
    )
    return thread


def require_revision(change: ChangeRequest, number: int | None) -> Revision | None:
    """Revision ``number`` (default: the present one, if there is any)."""
    if number is None:
        return change.revision
    found = change.revisions.filter(number=number).first()
    if found is None:
        raise InvalidInput("unknown_revision", f"{change.label} has no revision r{number}.", field="revision")
    return found


def write_thread(
    actor: User,
    *,
    change: ChangeRequest,
    anchor: Anchor,
    revision: Revision | None,
    body: str,
    kind: str,
    found: Found | None = None,
) -> Thread:
    """The rows of a new thread on a ``change`` that is locked; the caller records the use case.

    ``found`` is what stands at the place, where the caller knows better than Git.
    """
    access.can_comment(actor, change).require()
    text = checked_body(body)
    check_kind(kind)
    check_suggestion(text, anchor)
    at = found or _found(change, revision, anchor)
    last = Thread.objects.filter(change=change).aggregate(last=Max("number"))["last"] or 0
    thread = Thread.objects.create(
        change=change,
        number=last + 1,
        revision=revision,
        snippet=at.snippet,
        blob=at.blob,
        kind=kind,
        created_by=actor,
        created_at=now(),
        **columns_of(anchor),
    )
    Comment.objects.create(thread=thread, author=actor, body=text, created_at=now())
    thread_opened(actor, thread, text)
    mark_stale(change)
    return thread


def _found(change: ChangeRequest, revision: Revision | None, anchor: Anchor) -> Found:
    if anchor.scope == Scope.CHANGE or anchor.scope in LOCATED:
        return Found()
    if revision is None:
        raise InvalidInput(
            "unknown_path", "This file is not part of the change. Comment on the change instead.", field="path"
        )
    return find_lines(change, revision, anchor)


def columns_of(anchor: Anchor) -> dict[str, Any]:
    """The columns of a place."""
    return {
        "scope": str(anchor.scope),
        "path": anchor.path,
        "start_line": anchor.start_line,
        "line": anchor.line,
        "side": anchor.side,
        "locator": anchor.locator,
    }


@transaction.atomic
def reply(actor: User, *, thread: Thread, body: str) -> Comment:
    """Add a comment. A reply of somebody else answers an open thread; a further word of its opener opens it again."""
    locked = lock_thread(thread)
    comment = write_reply(actor, thread=locked, body=body)
    forget_draft(actor, locked.change, thread=locked.number)
    record(actor, locked, "thread.replied", f"replied in thread {locked.number}", {"comment": comment.pk})
    thread.state = locked.state
    return comment


def lock_thread(thread: Thread) -> Thread:
    """The row as it is now, locked behind its change: of two people who settle it at once the second sees what the first did."""
    lock_change(thread.change)
    rows = Thread.objects.select_for_update(of=("self",), no_key=True).select_related(
        "change__repository", "created_by"
    )
    return rows.get(pk=thread.pk)


def write_reply(actor: User, *, thread: Thread, body: str) -> Comment:
    """The rows of a reply in a ``thread`` that is locked; the caller records the use case."""
    access.can_comment(actor, thread.change).require()
    text = checked_body(body)
    check_suggestion(text, thread.anchor)
    comment = Comment.objects.create(thread=thread, author=actor, body=text, created_at=now())
    thread_replied(actor, thread, comment.body)
    event = Event.ASK_AGAIN if actor.pk == thread.created_by_id else Event.ANSWER
    state = next_state(thread.state, event, number=thread.number)
    if state != thread.state:
        thread.state = str(state)
        thread.save(update_fields=["state"])
    mark_stale(thread.change)
    return comment


def check_kind(kind: str) -> None:
    if kind not in Thread.Kind.values:
        raise InvalidInput("bad_kind", "A thread is a comment, a question or blocking.", field="kind")


def checked_body(body: str) -> str:
    """The text without surrounding space; refused when it is empty or too long."""
    text = body.strip()
    if not text:
        raise InvalidInput("body_required", "Write something first.", field="body")
    if len(text) > MAX_BODY:
        raise InvalidInput("body_too_long", f"A comment has at most {MAX_BODY:,} characters.", field="body")
    return text


def record(actor: User, thread: Thread, action: str, what: str, data: dict[str, object]) -> None:
    """The audit entry of one use case on ``thread``."""
    change = thread.change
    audit.record(
        Actor.of(actor),
        action,
        repository=change.repository.name,
        change=change.number,
        target=f"thread {thread.number}",
        summary=f"{actor.username} {what} of {change.label}",
        data={"thread": thread.number, **data},
    )
