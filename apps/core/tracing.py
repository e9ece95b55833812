"""Spans of what this process does, for whoever collects traces (docs/operations.md).

This module knows no tracing library: ``apps.operations`` gives it a recorder where traces are switched on. Without
one a span costs a comparison. Facts are names and numbers that the portal chose: never arguments, addresses, texts or
messages of errors, in which a secret may hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Kind = Literal["internal", "server", "client", "consumer"]
Fact = str | int | bool
Cause = Mapping[str, str]
"""Words that carry a span to another thread, process or host, for whoever goes on with its work there."""


class Note(Protocol):
    """Adds to the span that is open; ``name`` replaces its name."""

    def __call__(self, facts: Mapping[str, Fact], *, name: str = "") -> None: ...


class Recorder(Protocol):
    def span(self, name: str, *, kind: Kind, cause: Cause, facts: Mapping[str, Fact]) -> AbstractContextManager[Note]:
        """A span inside of the present one, or inside of ``cause`` if there is one."""

    def cause(self) -> Cause:
        """What carries the present span on; empty outside of one."""


_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """From now on spans of this process go to ``recorder``; ``None``: to nobody."""
    global _recorder  # noqa: PLW0603  # one per process, set when it begins to serve
    _recorder = recorder


def is_recorded() -> bool:
    return _recorder is not None


def span(
    name: str, *, kind: Kind = "internal", cause: Cause | None = None, facts: Mapping[str, Fact] | None = None
) -> AbstractContextManager[Note]:
    """The time inside of ``with``; what is raised there marks the span by the name of its class."""
    if _recorder is None:
        return _NOT_RECORDED
    return _recorder.span(name, kind=kind, cause=cause or {}, facts=facts or {})


def cause() -> Cause:
    """What a wake-up carries, so that the work is shown inside of what asked for it."""
    return {} if _recorder is None else _recorder.cause()


def _say_nothing(facts: Mapping[str, Fact], *, name: str = "") -> None:
    """The note of a span that nobody records."""


_NOTHING: Note = _say_nothing
_NOT_RECORDED: AbstractContextManager[Note] = nullcontext(_NOTHING)
