"""The jobs of a run of GitHub: as steps, and whether what deploys has run.

GitHub calls a run a success where some of its jobs were skipped, and where one that may fail did: its word alone does not say that
anything was deployed. ``jobs`` in portal.yaml names those that must have succeeded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from apps.core.clock import now
from apps.deployments.dispatchers import Run, StepProgress, StepState
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import (
    NAME_MOST,
    as_ended,
    belongs,
    is_part_of,
    jobs_named,
    listed,
    mapping,
    moment,
    plain,
    web_link,
    whole_number,
)
from apps.deployments.dispatchers.words import joined

PAGE, MOST_PAGES = 100, 20
WHY = {
    "timed_out": "it took longer than GitHub allows.",
    "startup_failure": "its workflow file cannot be used.",
    "skipped": "none of its jobs ran, so nothing was deployed.",
}
SKIPPED = "skipped"
TOLD_WITHIN = timedelta(minutes=5)
_PART = re.compile(r"( \(.*\))?( / .*)?")
"""What GitHub appends to the name of a job that a matrix makes several of, or that calls another workflow."""


def jobs_of(client: Client, at: str, number: int) -> list[dict[str, Any]]:
    """The jobs of the newest try of the run at the path ``at``, each checked to be of it."""
    rows: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        params = {"filter": "latest", "per_page": str(PAGE), "page": str(page)}
        told = mapping(client.read(f"{at}/jobs", params=params).json())
        found = listed(told.get("jobs"))
        for row in found:
            whole_number(row.get("id"))
            belongs(row, run_id=number)
        rows += found
        if len(found) < PAGE:
            break
    return rows


def steps_of(job: Mapping[str, Any], *, is_fine: bool) -> list[StepProgress]:
    """A job, and its steps behind it. What failed in something that went well was optional."""
    inner = listed(job.get("steps"))
    failed = next((plain(one.get("name"), 60) for one in inner if one.get("conclusion") == "failure"), "")
    name, link = plain(job.get("name"), NAME_MOST), web_link(job.get("html_url"))
    why = f"its step {failed!r} failed." if failed else WHY.get(str(job.get("conclusion")), "GitHub says no more.")
    key = f"job-{job['id']}"
    found = [_step(job, key, name, link, why, is_optional=is_fine)]
    is_good = job.get("conclusion") == "success"
    for one in inner:
        place = f"{name[:40]} › {plain(one.get('name'), 36)}"
        found.append(_step(one, f"{key}/{plain(one.get('number'), 10)}", place, link, "", is_optional=is_good))
    return found


def _step(row: Mapping[str, Any], key: str, name: str, link: str, why: str, *, is_optional: bool) -> StepProgress:
    ended = str(row.get("conclusion"))
    fields: dict[str, Any] = {"state": StepState.WAITING}  # also what was skipped
    if row.get("status") == "in_progress" or (row.get("status") == "completed" and not is_over(row)):
        fields = {"state": StepState.RUNNING}
    elif is_over(row) and ended != SKIPPED:
        problem = "" if ended == "success" else why or f"GitHub says {plain(ended, 40)}."
        fields = as_ended(problem, is_cancelled=ended == "cancelled")
    began, over = moment(row.get("started_at")), moment(row.get("completed_at"))
    return StepProgress(key=key, name=name, link=link, is_optional=is_optional, began=began, ended=over, **fields)


def is_over(row: Mapping[str, Any]) -> bool:
    return row.get("status") == "completed" and bool(row.get("conclusion"))


def is_told(run: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a run that is over tells how it and each of its jobs ended: for a moment GitHub may not, and is not waited for longer."""
    if run.get("conclusion") and all(map(is_over, jobs)):
        return True
    updated = moment(run.get("updated_at"))
    return updated is None or now() - updated > TOLD_WITHIN


def beside(jobs: list[dict[str, Any]]) -> str:
    """Sentences with what the word for the whole does not tell: jobs that did not run, and that there are more than are read."""
    cut = f" Its first {len(jobs):,} jobs are shown." if len(jobs) >= PAGE * MOST_PAGES else ""
    names = [plain(job.get("name"), NAME_MOST) for job in jobs if job.get("conclusion") == SKIPPED]
    return (f" Skipped: {joined(names)}." if names else "") + cut


def why_not_deployed(run: Run, jobs: Iterable[Mapping[str, Any]]) -> str:
    """What of the jobs that portal.yaml names did not succeed; empty: all did, or it names none.

    Of the parts of one, and of the jobs of a workflow that it calls, some may be skipped, but not all.
    """
    rows = list(jobs)
    for name in jobs_named(run):
        ended = {
            plain(job.get("conclusion"), 40) for job in rows if is_part_of(plain(job.get("name"), 255), name, _PART)
        }
        if not ended:
            return f"it has no job {name}, which `jobs` in portal.yaml names"
        bad = sorted(ended - {"success", SKIPPED}) or ([] if "success" in ended else [SKIPPED])
        if bad:
            return f"the job {name}, which `jobs` in portal.yaml names, ended as {bad[0] or 'nothing that it tells'!r}"
    return ""
