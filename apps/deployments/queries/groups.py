"""Deployments of one change that wait for a start by hand, by groups of environments, in promotion order. Reads only.

A group are environments whose names are the same up to the last ``-``: ``prod-canary``, ``prod-eu`` and ``prod-us`` are ``prod``.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.deployments.queries.coming import Coming, coming_with_each


@dataclass(frozen=True, slots=True)
class Startable:
    """``coming``: what becomes live with it; ``held``: what holds it beside the start, in words."""

    deployment: Deployment
    group: str
    coming: Coming
    held: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.deployment.environment.name


def group_of(name: str) -> str:
    """The group of an environment; its own name where it has none."""
    return name.rpartition("-")[0] or name


def waiting_for_start(change: ChangeRequest) -> list[Deployment]:
    """What waits for somebody who presses Start, canaries first: in the order in which one environment comes after the other.

    All of it, which is at most what one portal.yaml may define: what it does not define any more starts nowhere.
    """
    rows = Deployment.objects.filter(
        change=change, status=Status.PENDING, manual_start=True, environment__defined=True
    ).select_related("change", "environment", "environment__repository", "environment__live_deployment__change")
    return list(rows.order_by("environment__position", "environment__name"))


def startable(change: ChangeRequest, *, group: str = "") -> tuple[Startable, ...]:
    """With what becomes live; ``group``: only these."""
    rows = [row for row in waiting_for_start(change) if not group or group_of(row.environment.name) == group]
    return tuple(
        Startable(row, group_of(row.environment.name), coming, _held(row))
        for row, coming in zip(rows, coming_with_each(rows), strict=True)
    )


def groups_of(change: ChangeRequest) -> tuple[tuple[str, int], ...]:
    """Groups of what waits, each with how many, in the same order."""
    found: dict[str, int] = {}
    for row in waiting_for_start(change):
        name = group_of(row.environment.name)
        found[name] = found.get(name, 0) + 1
    return tuple(found.items())


def _held(row: Deployment) -> tuple[str, ...]:
    return tuple(str(wait["text"]) for wait in row.waits if wait["code"] != "manual")
