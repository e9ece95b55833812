"""Discussing a change: threads with replies, some of which block."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest, Revision
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.reviews import access
from apps.reviews.models import Comment, Thread
from apps.reviews.services.telling import thread_opened, thread_replied, thread_settled
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
    side: str = "new",
    revision: int | None = None,
) -> Thread:
    """Start a thread on the change, or on a file or line of one of its revisions (default: the present one)."""
    access.can_comment(actor, change).require()
    text = _checked(body)
    if kind not in Thread.Kind.values:
        raise InvalidInput("bad_kind", "A thread is a comment, a question or blocking.", field="kind")
    locked = ChangeRequest.objects.select_for_update(of=("self",)).select_related("repository").get(pk=change.pk)
    place = _place(locked, revision, path=path, line=line, side=side)
    last = Thread.objects.filter(change=locked).aggregate(last=Max("number"))["last"] or 0
    thread = Thread.objects.create(
        change=locked,
        number=last + 1,
        revision=place,
        path=path,
        line=line,
        side=side,
        kind=kind,
        created_by=actor,
        created_at=now(),
    )
    Comment.objects.create(thread=thread, author=actor, body=text, created_at=now())
    _record(
        actor, thread, "thread.opened", f"opened thread {thread.number}", {"kind": kind, "path": path, "line": line}
    )
    thread_opened(actor, thread, text)
    return thread


@transaction.atomic
def reply(actor: User, *, thread: Thread, body: str) -> Comment:
    """Add a comment to a thread; the state of the thread stays."""
    access.can_comment(actor, thread.change).require()
    comment = Comment.objects.create(thread=thread, author=actor, body=_checked(body), created_at=now())
    thread_replied(actor, thread, comment.body)
    _record(actor, thread, "thread.replied", f"replied in thread {thread.number}", {"comment": comment.pk})
    return comment


@transaction.atomic
def resolve_thread(actor: User, *, thread: Thread) -> Thread:
    """Mark a thread as resolved; somebody else having done it first is a conflict."""
    return _move(actor, thread, Thread.State.OPEN, Thread.State.RESOLVED)


@transaction.atomic
def reopen_thread(actor: User, *, thread: Thread) -> Thread:
    return _move(actor, thread, Thread.State.RESOLVED, Thread.State.OPEN)


def _move(actor: User, thread: Thread, old: Thread.State, new: Thread.State) -> Thread:
    access.can_resolve(actor, thread).require()
    resolved = new == Thread.State.RESOLVED
    won = Thread.objects.filter(pk=thread.pk, state=old).update(
        state=new, resolved_by=actor if resolved else None, resolved_at=now() if resolved else None
    )
    if not won:
        raise Conflict("wrong_state", f"Thread {thread.number} is already {new}.")
    thread.refresh_from_db()
    word = "resolved" if resolved else "reopened"
    if resolved:
        thread_settled(actor, thread, word)
    _record(actor, thread, f"thread.{word}", f"{word} thread {thread.number}", {})
    return thread


def _place(change: ChangeRequest, number: int | None, *, path: str, line: int | None, side: str) -> Revision | None:
    if side not in {"old", "new"}:
        raise InvalidInput("bad_side", "The side of a line is old or new.", field="side")
    if line is not None and (line < 1 or not path):
        raise InvalidInput("bad_line", "A line is a number from 1 in a named file.", field="line")
    revision = change.revision if number is None else change.revisions.filter(number=number).first()
    if number is not None and revision is None:
        raise InvalidInput("unknown_revision", f"{change.label} has no revision r{number}.", field="revision")
    if path and (revision is None or path not in revision.paths):
        raise InvalidInput(
            "unknown_path", "This file is not part of the change. Comment on the change instead.", field="path"
        )
    return revision


def _checked(body: str) -> str:
    text = body.strip()
    if not text:
        raise InvalidInput("body_required", "Write something first.", field="body")
    if len(text) > MAX_BODY:
        raise InvalidInput("body_too_long", f"A comment has at most {MAX_BODY:,} characters.", field="body")
    return text


def _record(actor: User, thread: Thread, action: str, what: str, data: dict[str, object]) -> None:
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
    mark_stale(change)
