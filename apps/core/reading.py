"""Facts that are asked for many times while one page is read, and cannot change under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db.models import Model

P = ParamSpec("P")
T = TypeVar("T")
_known: ContextVar[dict[Any, Any] | None] = ContextVar("facts_of_one_read", default=None)


@contextmanager
def one_read() -> Iterator[None]:
    """While one page is read: what :func:`once_per_read` marks is asked of the database once. Never around a write."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def _identity(argument: object) -> object:
    """What stands for an argument: of a row its table and key, because one row may be loaded twice."""
    if isinstance(argument, Model):
        return (argument._meta.label, argument.pk) if argument.pk is not None else id(argument)
    return argument


def once_per_read(function: Callable[P, T]) -> Callable[P, T]:
    """For a question about rows (its positional arguments) whose answer is immutable; outside of a read it is asked anew."""

    @wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        known = _known.get()
        if known is None or kwargs:
            return function(*args, **kwargs)
        key = (function, *map(_identity, args))
        if key not in known:
            known[key] = function(*args, **kwargs)
        found: T = known[key]
        return found

    return asked
