"""What is said of a change that only one side of a comparison has: in words, and where they lead."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.deployments.queries.comparing import Between, Side
from apps.deployments.queries.lacking import Lacking

REASONS = ("taken_back", "failed", "not_due")


@dataclass(frozen=True, slots=True)
class Reason:
    """``key``: one of :data:`REASONS`. ``change`` and ``deployment``: numbers of what it speaks of. ``text`` follows other words."""

    key: str
    text: str
    change: int | None = None
    deployment: int | None = None

    @property
    def url(self) -> str:
        if self.deployment is not None:
            return f"/deployments/{self.deployment}/"
        return f"/changes/{self.change}/" if self.change is not None else ""


@dataclass(frozen=True, slots=True)
class OneSided:
    """A change that one side has, and why the other lacks it, where that is known. ``due``: it was to be deployed there."""

    change: ChangeRequest
    due: bool
    reasons: tuple[Reason, ...]


def only_end(between: Between, start: Side) -> tuple[OneSided, ...]:
    """What ``start`` lacks."""
    return tuple(_one_sided(one, between.start_lacks, start) for one in between.only_end)


def only_start(between: Between, end: Side) -> tuple[OneSided, ...]:
    """What ``end`` lacks."""
    return tuple(_one_sided(one, between.end_lacks, end) for one in between.only_start)


def _one_sided(change: ChangeRequest, lacks: Lacking, there: Side) -> OneSided:
    name, found = there.environment.name, []
    by, tried = lacks.taken_back.get(change.number), lacks.failed.get(change.number)
    if by is not None:
        found.append(Reason("taken_back", f"taken back by {by.label}", change=by.number))
    if tried is not None:
        found.append(Reason("failed", f"failed in {name}: {tried.label}", deployment=tried.number))
    is_due = change.number in lacks.due
    if not is_due:
        found.append(Reason("not_due", f"was not due in {name}"))
    return OneSided(change, is_due, tuple(found))
