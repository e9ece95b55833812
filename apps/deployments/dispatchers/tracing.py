"""A dispatcher whose calls are shown in traces: which one, of which attempt, and how long it took."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from apps.core import tracing
from apps.core.tracing import Fact

if TYPE_CHECKING:
    from apps.deployments.dispatchers import Dispatcher, Run

CALLS = frozenset({"prepare", "dispatch", "observe", "read_log", "cancel", "discard", "act"})


class _Traced:
    """Everything of ``dispatcher``; its calls in spans."""

    def __init__(self, dispatcher: Dispatcher, via: str) -> None:
        self._dispatcher = dispatcher
        self._via = via

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._dispatcher, name)
        if name not in CALLS:
            return found

        @wraps(found)
        def call(run: Run, *arguments: Any, **options: Any) -> Any:
            facts: dict[str, Fact] = {
                "portal.dispatcher": self._via,
                "portal.deployment": run.deployment,
                "portal.attempt": run.attempt,
            }
            with tracing.span(f"{self._via} {name}", kind="client", facts=facts):
                return found(run, *arguments, **options)

        return call


def traced(dispatcher: Dispatcher, via: str) -> Dispatcher:
    """``dispatcher`` itself where nobody records."""
    return cast("Dispatcher", _Traced(dispatcher, via)) if tracing.is_recorded() else dispatcher
