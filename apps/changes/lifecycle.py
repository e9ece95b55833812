"""The states of a change request and what leads from one to the next (DESIGN §6). Pure."""

from __future__ import annotations

from enum import StrEnum

from apps.core.errors import Conflict


class Status(StrEnum):
    REQUESTED = "requested"
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    MERGING = "merging"
    MERGED = "merged"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    ATTACH = "attach"
    ATTACH_DRAFT = "attach_draft"
    READY = "ready"
    BACK_TO_DRAFT = "back_to_draft"
    WITHDRAW = "withdraw"
    REOPEN = "reopen"
    REOPEN_REQUEST = "reopen_request"
    MERGE = "merge"
    RETURN = "return"
    LAND = "land"
    FINISH = "finish"
    RESUME = "resume"


TRANSITIONS: dict[tuple[Status, Event], Status] = {
    (Status.REQUESTED, Event.ATTACH): Status.IN_REVIEW,
    (Status.REQUESTED, Event.ATTACH_DRAFT): Status.DRAFT,
    (Status.DRAFT, Event.READY): Status.IN_REVIEW,
    (Status.IN_REVIEW, Event.BACK_TO_DRAFT): Status.DRAFT,
    (Status.REQUESTED, Event.WITHDRAW): Status.WITHDRAWN,
    (Status.DRAFT, Event.WITHDRAW): Status.WITHDRAWN,
    (Status.IN_REVIEW, Event.WITHDRAW): Status.WITHDRAWN,
    (Status.WITHDRAWN, Event.REOPEN): Status.DRAFT,
    (Status.WITHDRAWN, Event.REOPEN_REQUEST): Status.REQUESTED,
    (Status.IN_REVIEW, Event.MERGE): Status.MERGING,
    (Status.MERGING, Event.RETURN): Status.IN_REVIEW,
    (Status.MERGING, Event.LAND): Status.MERGED,
    (Status.MERGED, Event.FINISH): Status.DONE,
    (Status.DONE, Event.RESUME): Status.MERGED,
}

OPEN = frozenset({Status.REQUESTED, Status.DRAFT, Status.IN_REVIEW, Status.MERGING})
"""Not merged and not given up."""

FOLLOWS_GIT = frozenset({Status.DRAFT, Status.IN_REVIEW})
"""A push to the source or the target branch makes a new revision in these states."""


def next_status(status: str, event: Event) -> Status:
    """The state after ``event``; :class:`Conflict` when the event is not possible in ``status``."""
    try:
        return TRANSITIONS[(Status(status), event)]
    except KeyError:
        raise Conflict(
            "wrong_state",
            f"This is not possible while the change is {words(status)}. Reload the page to see its present state.",
            status=status,
            event=str(event),
        ) from None


def words(status: str) -> str:
    """The state as people read it in a sentence."""
    return status.replace("_", " ")
