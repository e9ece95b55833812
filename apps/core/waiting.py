"""What is to be done now and then while this thread waits for a child process: a lease is prolonged, for example.

Who starts the work says what (:func:`while_waiting`), who waits calls :func:`beat` often; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_act: ContextVar[Callable[[], None] | None] = ContextVar("act_while_waiting", default=None)


@contextmanager
def while_waiting(act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` about ten times a second whenever the work inside waits; what it raises ends the wait."""
    token = _act.set(act)
    try:
        yield
    finally:
        _act.reset(token)


def is_watched() -> bool:
    """Whether somebody wants :func:`beat` to be called."""
    return _act.get() is not None


def beat() -> None:
    """To be called while something is waited for."""
    act = _act.get()
    if act is not None:
        act()
