"""The states of a thread, and the only ways between them. Pure: no database."""

from __future__ import annotations

from enum import StrEnum

from apps.core.errors import Conflict


class State(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    DROPPED = "dropped"


class Event(StrEnum):
    ANSWER = "answer"  # a reply of anybody but the opener
    ASK_AGAIN = "ask_again"  # a further word of the opener
    RESOLVE = "resolve"
    DROP = "drop"
    REOPEN = "reopen"


UNSETTLED = frozenset({State.OPEN, State.ANSWERED})
"""A blocking thread holds the change in these states: an answer alone settles nothing."""

_NEXT: dict[State, dict[Event, State]] = {
    State.OPEN: {
        Event.ANSWER: State.ANSWERED,
        Event.ASK_AGAIN: State.OPEN,
        Event.RESOLVE: State.RESOLVED,
        Event.DROP: State.DROPPED,
    },
    State.ANSWERED: {
        Event.ANSWER: State.ANSWERED,
        Event.ASK_AGAIN: State.OPEN,
        Event.RESOLVE: State.RESOLVED,
        Event.DROP: State.DROPPED,
    },
    # A late word in a settled thread is kept, and settles or opens nothing.
    State.RESOLVED: {
        Event.ANSWER: State.RESOLVED,
        Event.ASK_AGAIN: State.RESOLVED,
        Event.REOPEN: State.OPEN,
    },
    State.DROPPED: {
        Event.ANSWER: State.DROPPED,
        Event.ASK_AGAIN: State.DROPPED,
        Event.REOPEN: State.OPEN,
    },
}


def next_state(state: str, event: Event, *, number: int) -> State:
    """The state after ``event``; :class:`Conflict` ``wrong_state`` where there is no such way."""
    found = _NEXT[State(state)].get(event)
    if found is None:
        raise Conflict(
            "wrong_state",
            f"Thread {number} is already {state}: somebody was faster, or this page is older. Reload it.",
            state=str(state),
        )
    return found


def possible(state: str) -> frozenset[Event]:
    """The events that a thread in ``state`` takes."""
    return frozenset(_NEXT[State(state)])
