"""Which draft belongs to which place."""

from __future__ import annotations

import hashlib

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.reviews.anchors import Anchor
from apps.reviews.models import DraftComment


def draft_key(*, anchor: Anchor | None = None, thread: int | None = None) -> str:
    """The key of the draft for a place, or for a reply in thread number ``thread``."""
    text = f"thread:{thread}" if thread is not None else (anchor or Anchor()).key
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def drafts_of(user: User, change: ChangeRequest) -> QuerySet[DraftComment]:
    """The drafts of ``user`` on ``change``; those of others are nobody's to see."""
    return DraftComment.objects.filter(change=change, author=user)


def forget_draft(user: User, change: ChangeRequest, *, anchor: Anchor | None = None, thread: int | None = None) -> None:
    """What has just been said at a place needs no draft any more."""
    drafts_of(user, change).filter(key=draft_key(anchor=anchor, thread=thread)).delete()
