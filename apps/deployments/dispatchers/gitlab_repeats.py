"""Doing again only what failed in a pipeline of GitLab that is over: GitLab retries its failed and cancelled jobs.

GitLab counts no tries of a pipeline, but each job that is done again is a new one with a greater number. So the number of
the newest job is what ``repeats`` goes by. The end of the try before can still be shown when the jobs of the next one are
there; it is told by its moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import LOOK_FOR, NotSent, Refused, Run
from apps.deployments.dispatchers.gitlab_jobs import AT_REST, rows_of, that_count
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import belongs, mapping, plain
from apps.deployments.dispatchers.repeats import is_repeat

REPEATABLE = frozenset({"failed", "canceled"})
"""Jobs that GitLab does again."""
OVER = frozenset({"success", "failed", "canceled"})
"""Pipelines that can have such jobs: in one that GitLab calls a success they may fail."""


def tries_of(rows: list[dict[str, Any]]) -> int:
    """The number of the newest job of a pipeline."""
    return max((int(row["id"]) for row in rows), default=0)


def kept_of(told: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is stored of a pipeline that did not end well: what a repeat goes by; nothing to go by where no job would be done again."""
    if not any(row.get("status") in REPEATABLE and not row["is_bridge"] for row in that_count(rows)):
        return {"tries": 0}
    return {"tries": tries_of(rows), "finished": plain(told.get("finished_at"), 40)}


def require_repeatable(client: Client, run: Run, path: str) -> None:
    """The pipeline at ``path`` is as the attempt before left it; :class:`Refused` says what else it is."""
    number = run.external["pipeline"]
    told = mapping(client.ask_first(path))
    try:
        belongs(told, id=number, project_id=run.external["project"])
        rows = rows_of(client, path, number)
    except Unavailable as problem:
        raise NotSent(problem.code, problem.message, **problem.details) from problem
    if problem_of := _why_not(run, told, rows):
        text = f"GitLab pipeline {number} {problem_of}. Nothing was repeated; Retry starts a new pipeline."
        raise Refused("not_repeatable", text)


def _why_not(run: Run, told: Mapping[str, Any], rows: list[dict[str, Any]]) -> str:
    if told.get("sha") != run.commit:
        return f"is at {plain(told.get('sha'), 10) or 'no commit'}, not at the approved {run.commit[:10]}"
    if tries_of(rows) != run.external["repeats"]:
        return "was repeated by somebody else"
    if told.get("status") not in OVER:
        return "is not over"
    return "" if kept_of(told, rows)["tries"] else "has no job that would be done again"


def of_this_attempt(run: Run, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that failed in the attempt before and were done again in this one."""
    before = int(run.external.get("repeats") or 0)
    return [row for row in rows if not row["is_replaced"] or row["id"] > before]


def is_end_before(run: Run, told: Mapping[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether the end that GitLab shows is that of the try before: GitLab takes a moment to see that jobs run again."""
    if not is_repeat(run) or plain(told.get("finished_at"), 40) != run.external.get("finished"):
        return False
    is_active = any(row.get("status") not in AT_REST for row in that_count(rows))
    return is_active or run.quiet(now()) <= LOOK_FOR
