"""Doing again only what failed in a run of GitHub that is over (``rerun-failed-jobs``): its next try.

GitHub takes no key for that. Whether the request arrived is told by the number of tries that the run has had
(``run_attempt``): it is stored before anything is asked for, the request goes out only while the run has had exactly so
many, and only a later try counts as ours. GitHub begins one try at a time, at the commit and ref of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import LOOK_FOR, NotSent, Progress, Refused, Run, RunState
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import belongs, mapping, plain

REPEATABLE = frozenset({"failure", "timed_out", "cancelled"})


def is_repeat(run: Run) -> bool:
    """Whether this attempt does again what failed in the run of the one before."""
    return run.before is not None or bool(run.external.get("repeats"))


def told_before(run: Run) -> dict[str, Any]:
    """What is stored of a repeat before it is asked for; nothing for a run of its own. :class:`Refused` without a run."""
    if not is_repeat(run):
        return {}
    before = run.before or {}
    if not before.get("run") or not before.get("tries"):
        raise Refused(
            "nothing_to_repeat",
            "The attempt before has no run any more of which only what failed could be done again. Retry it as a whole.",
        )
    kept = {name: before[name] for name in ("run", "link", "tag") if before.get(name)}
    return {**kept, "tries": before["tries"], "repeats": before["tries"]}


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


def has_begun(run: Run, told: Mapping[str, Any]) -> bool:
    """Whether what GitHub tells is of this attempt: always of a run of its own, of a repeat only when there is a new try."""
    return not is_repeat(run) or tries_of(told) > int(run.external.get("repeats") or 0)


def waiting_for_try(run: Run, known: Mapping[str, Any]) -> Progress:
    """The run has no new try: looked for a minute; then only a person can say whether one comes."""
    if run.quiet(now()) <= LOOK_FOR:
        return Progress(RunState.RUNNING, text="GitHub is asked whether the request arrived.", external=dict(known))
    what = "GitHub took the request" if run.external.get("accepted") else "The answer of GitHub was lost"
    problem = f"{what}, and run {known['run']} has no new try. Look there whether its jobs run again."
    return Progress(RunState.LOST, problem=problem, external=dict(known))
