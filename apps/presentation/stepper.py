"""Where a change stands on its way, as the ordered steps of UX §2.13."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mark = Literal["done", "current", "running", "failed", "attention", "future", "stopped"]

STEPS = ("Draft", "Review", "Merge", "Deploy", "Verified")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``note`` is read after the label (“2 of 3”, “failed”)."""

    label: str
    mark: Mark
    note: str = ""


_PLACES: dict[str, tuple[str, Mark]] = {
    "requested": ("Requested", "current"),
    "draft": ("Draft", "current"),
    "in_review": ("Review", "current"),
    "checks_running": ("Review", "running"),
    "checks_failed": ("Review", "failed"),
    "changes_requested": ("Review", "attention"),
    "conflict": ("Review", "attention"),
    "approved": ("Merge", "current"),
    "ready": ("Merge", "current"),
    "merging": ("Merge", "running"),
    "merged": ("Deploy", "current"),
    "scheduled": ("Deploy", "current"),
    "queued": ("Deploy", "current"),
    "to_start": ("Deploy", "current"),
    "window": ("Deploy", "current"),
    "deploying": ("Deploy", "running"),
    "verifying": ("Verified", "running"),
    "partly_deployed": ("Deploy", "attention"),
    "deploy_failed": ("Deploy", "failed"),
    "cancelled": ("Deploy", "attention"),
    "unknown": ("Deploy", "attention"),
    "rolled_back": ("Deploy", "stopped"),
    "deployed": ("Verified", "done"),
    "done": ("Verified", "done"),
    "closed": ("Verified", "done"),
}
"""Which step a state stands on, and how that step looks."""

_SPOKEN: dict[Mark, str] = {
    "done": "done",
    "running": "running",
    "failed": "failed",
    "attention": "needs attention",
    "stopped": "stopped",
}


def spoken(mark: Mark) -> str:
    """What a screen reader adds to the label (nothing for the current and for future steps)."""
    return _SPOKEN.get(mark, "")


def steps_of(state: str, *, note: str = "", labels: Sequence[str] = STEPS) -> tuple[Step, ...]:
    """The steps of a change in ``state``; ``note`` belongs to the step it stands on.

    A withdrawn change stops where it is: none of its steps is current.
    """
    names = ("Requested", *labels[1:]) if state == "requested" else tuple(labels)
    place, mark = _PLACES.get(state, ("", "stopped"))
    if place not in names:
        return tuple(Step(name, "future") for name in names)
    here = names.index(place)
    return (
        *(Step(name, "done") for name in names[:here]),
        Step(names[here], mark, note),
        *(Step(name, "future") for name in names[here + 1 :]),
    )
