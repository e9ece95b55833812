"""Doing again only what failed in a run of GitHub that is over (``rerun-failed-jobs``): its next try.

GitHub counts the tries of a run (``run_attempt``), begins one at a time, and each at the commit and ref of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import NotSent, Refused, Run
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import belongs, mapping, plain

REPEATABLE = frozenset({"failure", "timed_out", "cancelled"})


def require_repeatable(client: Client, run: Run, repository: str) -> None:
    """The run is over, failed at the approved commit, and nobody repeated it; :class:`Refused` says what else it is."""
    path = f"{repository}/actions/runs/{run.external['run']}"
    told = mapping(client.ask_first(path))
    try:
        belongs(told, id=run.external["run"], event="workflow_dispatch")
    except Unavailable as problem:
        raise NotSent(problem.code, problem.message, **problem.details) from problem
    if problem_of := _why_not(run, told):
        text = f"GitHub run {run.external['run']} {problem_of}. Nothing was repeated; Retry starts a new run."
        raise Refused("not_repeatable", text)


def _why_not(run: Run, told: Mapping[str, Any]) -> str:
    if told.get("head_sha") != run.commit:
        return f"is at {plain(told.get('head_sha'), 10) or 'no commit'}, not at the approved {run.commit[:10]}"
    if tries_of(told) != run.external["repeats"]:
        return f"was repeated by somebody else (try {tries_of(told)})"
    if told.get("status") != "completed":
        return "is not over"
    ended = plain(told.get("conclusion"), 40)
    return "" if ended in REPEATABLE else f"ended as {ended!r}, so no job of it failed"


def repeat(client: Client, run: Run, repository: str) -> dict[str, Any]:
    """Ask for the next try."""
    client.change("POST", f"{repository}/actions/runs/{run.external['run']}/rerun-failed-jobs")
    return {"accepted": now().isoformat()}


def tries_of(told: Mapping[str, Any]) -> int:
    """How often the run was tried; 0 where the server does not say."""
    tries = told.get("run_attempt")
    return tries if isinstance(tries, int) and not isinstance(tries, bool) else 0
