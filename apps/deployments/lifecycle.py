"""The states of a deployment and what leads from one to the next (DESIGN §6). Pure."""

from __future__ import annotations

from enum import StrEnum

from apps.core.errors import Conflict


class Status(StrEnum):
    PENDING = "pending"
    DISPATCHING = "dispatching"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Event(StrEnum):
    CLAIM = "claim"
    HOLD = "hold"
    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    LOSE = "lose"
    RETRY = "retry"


TRANSITIONS: dict[tuple[Status, Event], Status] = {
    (Status.PENDING, Event.CLAIM): Status.DISPATCHING,
    (Status.PENDING, Event.CANCEL): Status.CANCELLED,
    (Status.DISPATCHING, Event.HOLD): Status.PENDING,
    (Status.DISPATCHING, Event.BEGIN): Status.RUNNING,
    (Status.DISPATCHING, Event.FAIL): Status.FAILED,
    (Status.DISPATCHING, Event.CANCEL): Status.CANCELLED,
    (Status.DISPATCHING, Event.LOSE): Status.UNKNOWN,
    (Status.RUNNING, Event.SUCCEED): Status.SUCCEEDED,
    (Status.RUNNING, Event.FAIL): Status.FAILED,
    (Status.RUNNING, Event.CANCEL): Status.CANCELLED,
    (Status.RUNNING, Event.LOSE): Status.UNKNOWN,
    (Status.UNKNOWN, Event.SUCCEED): Status.SUCCEEDED,
    (Status.UNKNOWN, Event.FAIL): Status.FAILED,
    (Status.FAILED, Event.RETRY): Status.PENDING,
    (Status.CANCELLED, Event.RETRY): Status.PENDING,
}

HOLDS_LOCK = frozenset({Status.DISPATCHING, Status.RUNNING, Status.UNKNOWN})
"""In these states a deployment is the only one that may touch its environment."""

ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


def next_status(status: str, event: Event) -> Status:
    """The state after ``event``; :class:`Conflict` when the event is not possible in ``status``."""
    try:
        return TRANSITIONS[(Status(status), event)]
    except KeyError:
        raise Conflict(
            "wrong_state",
            f"This is not possible while the deployment is {status}. Reload the page to see its present state.",
            status=status,
            event=str(event),
        ) from None
