"""What a person has typed and not said yet, kept on the server for nobody else to see.

Drafts leave no audit entry: nobody but their author can know of them, and they decide nothing (ADR 0014).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.reviews import access
from apps.reviews.anchors import Anchor, Scope, anchor_of
from apps.reviews.drafts import draft_key, drafts_of
from apps.reviews.models import DraftComment, Thread
from apps.reviews.services.threads import (
    MAX_BODY,
    check_kind,
    columns_of,
    lock_thread,
    require_revision,
    write_reply,
    write_thread,
)

MAX_DRAFTS = 200
"""Drafts of one person on one change."""


@dataclass(frozen=True, slots=True)
class Published:
    """Numbers of the threads that were opened, and of those that got a reply."""

    opened: tuple[int, ...] = ()
    replied: tuple[int, ...] = ()

    def as_data(self) -> dict[str, list[int]]:
        """For the audit entry of the use case that published them; empty when there was nothing."""
        found = {"threads": list(self.opened), "replies": list(self.replied)}
        return {name: numbers for name, numbers in found.items() if numbers}


@transaction.atomic
def save_draft(
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
    thread: int | None = None,
    pending: bool = False,
) -> DraftComment | None:
    """Keep what was typed for a place, or as a reply in thread number ``thread``; the newest text counts.

    One draft for each place. ``pending``: it goes out with the next review. Empty text takes the draft away
    (``None``); autosaving never makes a pending draft wait for another word.
    """
    access.can_comment(actor, change).require()
    check_kind(kind)
    answered = _thread(change, thread)
    place = {"scope": scope, "path": path, "side": side, "start_line": start_line, "line": line, "locator": locator}
    anchor = Anchor() if answered else anchor_of(**place)  # type: ignore[arg-type]
    key = draft_key(anchor=anchor, thread=thread)
    if not body.strip():
        drafts_of(actor, change).filter(key=key).delete()
        return None
    _check(actor, change, key, body=body, anchor=anchor, pending=pending)
    kept = {
        "revision": require_revision(change, revision),
        "thread": answered,
        "kind": kind,
        "body": body,
        "saved_at": now(),
        **columns_of(anchor),
        **({"pending": True} if pending else {}),
    }
    return DraftComment.objects.update_or_create(change=change, author=actor, key=key, defaults=kept)[0]


def _check(actor: User, change: ChangeRequest, key: str, *, body: str, anchor: Anchor, pending: bool) -> None:
    """Size, number, and what cannot wait for a review."""
    if len(body) > MAX_BODY:
        raise InvalidInput("body_too_long", f"A comment has at most {MAX_BODY:,} characters.", field="body")
    if anchor.scope == Scope.LOG and pending:
        raise InvalidInput("bad_scope", "A comment on a log is said at once; it is no part of a review.", field="scope")
    mine = drafts_of(actor, change)
    if not mine.filter(key=key).exists() and mine.count() >= MAX_DRAFTS:
        raise Conflict(
            "too_many_drafts",
            f"You have {MAX_DRAFTS} drafts on {change.label}, which is all that is kept. Submit or delete some first.",
        )


def _thread(change: ChangeRequest, number: int | None) -> Thread | None:
    if number is None:
        return None
    found = Thread.objects.filter(change=change, number=number).first()
    if found is None:
        raise InvalidInput("unknown_thread", f"{change.label} has no thread {number}.", field="thread")
    return found


@transaction.atomic
def delete_draft(actor: User, *, draft: DraftComment) -> None:
    """Take a draft away; only its author ever has it in hand."""
    DraftComment.objects.filter(pk=draft.pk, author=actor).delete()


def has_pending(actor: User, change: ChangeRequest) -> bool:
    """Whether comments of ``actor`` wait for their next review of ``change``."""
    return drafts_of(actor, change).filter(pending=True).exists()


def publish_drafts(change: ChangeRequest, actor: User) -> Published:
    """Say everything that ``actor`` has pending on a ``change`` that is locked, in the caller's transaction.

    All or nothing: a draft that can no longer be said raises, and then every draft is still there. The caller
    writes the one audit entry, with :meth:`Published.as_data`. A second call finds nothing left.
    """
    drafts = drafts_of(actor, change).filter(pending=True)
    opened: list[int] = []
    replied: list[int] = []
    for draft in list(drafts.select_related("revision", "thread")):
        if draft.thread is None:
            made = write_thread(
                actor, change=change, anchor=draft.anchor, revision=draft.revision, body=draft.body, kind=draft.kind
            )
            opened.append(made.number)
        else:
            thread = lock_thread(draft.thread)
            write_reply(actor, thread=thread, body=draft.body)
            replied.append(thread.number)
        draft.delete()
    return Published(tuple(opened), tuple(replied))
