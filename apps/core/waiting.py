"""What is to be done now and then while this thread waits for others, and what must be certain before it acts on them.

Who starts the work says what (:func:`while_waiting`: a lease is prolonged, for example; :func:`only_if`: it is still ours), who
waits calls :func:`beat` often, and who acts calls :func:`about_to_act` directly before it; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_act: ContextVar[Callable[[], None] | None] = ContextVar("act_while_waiting", default=None)
_guard: ContextVar[Callable[[], None] | None] = ContextVar("guard_of_acts", default=None)


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


@contextmanager
def only_if(check: Callable[[], None]) -> Iterator[None]:
    """Call ``check`` directly before each act of the work inside; what it raises keeps it from being done."""
    token = _guard.set(check)
    try:
        yield
    finally:
        _guard.reset(token)


def about_to_act() -> None:
    """To be called directly before something is changed outside of the portal."""
    check = _guard.get()
    if check is not None:
        check()


@contextmanager
def let_go() -> Iterator[None]:
    """The work inside needs nothing of what was asked for around it."""
    act, guard = _act.set(None), _guard.set(None)
    try:
        yield
    finally:
        _guard.reset(guard)
        _act.reset(act)
