"""Asking how healthy something is that was deployed: one question, one reading. Changes nothing.

Prometheus: instant queries of its HTTP API v1 (``/api/v1/query``); a query without any value is not healthy,
because what is not measured is not known to be good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.errors import PortalError
from apps.deployments.dispatchers import Outside, Progress
from apps.deployments.dispatchers.http import Client

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """``text`` says what was found, without the name of the check."""

    is_good: bool
    text: str


def read_check(check: dict[str, Any], outside: Outside | None, progress: Progress) -> Reading:
    """Ask once. A system that does not answer is not healthy, and the reading says so."""
    try:
        if check["kind"] == "http":
            return _http(check, outside)
        if check["kind"] == "prometheus":
            return _prometheus(check, outside)
        return _resources(progress)
    except PortalError as problem:
        return Reading(is_good=False, text=problem.message)


def _headers(outside: Outside | None) -> dict[str, str]:
    token = outside.credentials.get("token", "") if outside else ""
    return {"Authorization": f"Bearer {token}"} if token else {}


def _http(check: dict[str, Any], outside: Outside | None) -> Reading:
    with Client(outside, _headers(outside)) as client:
        answer = client.look(check["target"])
    if answer.status != check["status"]:
        return Reading(is_good=False, text=f"answered {answer.status}, not {check['status']}")
    if check["contains"] and check["contains"].encode() not in answer.body:
        return Reading(is_good=False, text=f"answered {answer.status}, without {check['contains']!r} in it")
    return Reading(is_good=True, text=f"answered {answer.status}")


def _prometheus(check: dict[str, Any], outside: Outside | None) -> Reading:
    with Client(outside, _headers(outside)) as client:
        found = client.read("/api/v1/query", params={"query": check["target"]}).json()
    values = _values(found)
    if not values:
        return Reading(is_good=False, text="the query has no value")
    bad = [value for value in values if not _is_within(value, check)]
    shown = ", ".join(f"{value:g}" for value in (bad or values)[:MOST_NAMED])
    bounds = " and ".join(f"{word} {check[word]:g}" for word in ("above", "below") if check[word] is not None)
    return Reading(is_good=not bad, text=f"{shown} {'is not' if bad else 'is'} {bounds}")


def _values(found: Any) -> list[float]:
    """The numbers of a vector or a scalar; anything else, and NaN, is no value."""
    try:
        data = found["data"]
        rows = [data["result"]] if data["resultType"] == "scalar" else [row["value"] for row in data["result"]]
        return [float(row[1]) for row in rows] if found["status"] == "success" else []
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):  # of an integer of 400 digits
        return []


def _is_within(value: float, check: dict[str, Any]) -> bool:
    """Comparisons with NaN are false, so it is never within."""
    below, above = check["below"], check["above"]
    return (below is None or value < below) and (above is None or value > above) and value == value  # noqa: PLR0124


def _resources(progress: Progress) -> Reading:
    if not progress.resources:
        return Reading(is_good=False, text="the system that deploys tells of no resources")
    bad = [one for one in progress.resources if one.health != "healthy"]
    if not bad:
        return Reading(is_good=True, text=f"all {len(progress.resources)} resources are healthy")
    names = ", ".join(f"{one.kind} {one.name} is {one.health}" for one in bad[:MOST_NAMED])
    return Reading(is_good=False, text=f"{len(bad)} of {len(progress.resources)} resources are not healthy: {names}")
