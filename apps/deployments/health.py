"""Asking how healthy something is that was deployed: one question, one reading. Changes nothing.

Prometheus: instant queries of its HTTP API v1 (``/api/v1/query``); a query without any value is not healthy,
because what is not measured is not known to be good. Commands: shut in as steps are (``dispatchers.checking``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.core.errors import Conflict, PortalError
from apps.deployments.command_output import hidden, how_it_ended, last_words, printed_lines
from apps.deployments.dispatchers import Outside, Progress, Run
from apps.deployments.dispatchers.answers import FORBIDDEN, UNAUTHENTICATED
from apps.deployments.dispatchers.checking import run_command
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.trying import bearer
from apps.deployments.masking import SecretMask

MOST_NAMED = 3
CREDENTIALS_REFUSED = (UNAUTHENTICATED, FORBIDDEN)
"""A Prometheus that answers so says something about the portal's connection, and nothing about what was deployed."""
OUR_FAULTS = ("not_started", "cancelled")
"""How a command ends for which this machine is the reason: it could not be begun, or its worker stopped it."""
LINES_IN_LOG, LONGEST_LINE = 20, 1_000
"""What a command printed, in the log: lines, and characters of each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``text`` says what was found, without the name of the check; ``lines`` are what a command printed last.

    Not ``is_asked``: something is wrong with the portal itself, its machine or its connections, which says nothing about
    what was deployed. Not ``is_told``: the system that measures it said nothing of it.
    """

    is_good: bool
    text: str
    lines: tuple[str, ...] = ()
    is_asked: bool = True
    is_told: bool = True


def read_check(check: dict[str, Any], outside: Outside | None, progress: Progress) -> Reading:
    """Ask once. A system that does not answer is not healthy, and the reading says so; one that may not be asked says nothing."""
    if check["kind"] == "resources":
        return _resources(progress)
    try:
        client = Client(outside, bearer(outside))
    except PortalError as problem:
        return Reading(is_good=False, text=f"cannot be asked: {problem.message}", is_asked=False)
    try:
        with client:
            return _http(check, client) if check["kind"] == "http" else _prometheus(check, client)
    except PortalError as problem:
        return Reading(is_good=False, text=problem.message, is_told=False)


def _http(check: dict[str, Any], client: Client) -> Reading:
    answer = client.look(check["target"])
    if answer.status != check["status"]:
        return Reading(is_good=False, text=f"answered {answer.status}, not {check['status']}")
    if check["contains"] and check["contains"].encode() not in answer.body:
        return Reading(is_good=False, text=f"answered {answer.status}, without {check['contains']!r} in it")
    return Reading(is_good=True, text=f"answered {answer.status}")


def _prometheus(check: dict[str, Any], client: Client) -> Reading:
    answer = client.read("/api/v1/query", params={"query": check["target"]}, allow=CREDENTIALS_REFUSED)
    if answer.status in CREDENTIALS_REFUSED:
        text = f"answered {answer.status}: it does not take the credentials of the connection"
        return Reading(is_good=False, text=text, is_asked=False)
    found = answer.json()
    values = _values(found)
    if not values:
        return Reading(is_good=False, text="the query has no value", is_told=False)
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
    known = [one for one in bad if one.health != "unknown"]
    names = ", ".join(f"{one.kind} {one.name} is {one.health}" for one in (known or bad)[:MOST_NAMED])
    if not known:
        text = f"of {len(bad)} of {len(progress.resources)} resources nobody can say how they do: {names}"
        return Reading(is_good=False, text=text, is_asked=False)
    return Reading(is_good=False, text=f"{len(known)} of {len(progress.resources)} resources are not healthy: {names}")


def read_command(
    check: dict[str, Any], run: Run, is_wanted: Callable[[], bool], *, home: Path | None = None
) -> Reading:
    """Run it once, with the secrets of ``run``, which are in nothing that is told of it; ``home``: as of :func:`run_command`.

    :class:`Conflict` when it was stopped because ``is_wanted`` says no.
    """
    mask = SecretMask(run.secrets.values())
    try:
        answer = run_command(run, check["target"], float(check["timeout_seconds"]), is_wanted, home=home)
    except Conflict:
        raise
    except PortalError as problem:
        return Reading(is_good=False, text=hidden(problem.message, mask), is_asked=False)
    lines = printed_lines(answer, mask)
    kept = tuple(line[:LONGEST_LINE] for line in lines[-LINES_IN_LOG:])
    if answer.ended.is_success:
        return Reading(is_good=True, text="exited with 0", lines=kept)
    said = last_words(lines, mask)
    why = hidden(how_it_ended(answer.ended, check["timeout_seconds"]), mask)
    is_asked = answer.ended.reason not in OUR_FAULTS
    return Reading(is_good=False, text=f"{why}: {said}" if said else why, lines=kept, is_asked=is_asked)
