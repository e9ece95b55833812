"""The jobs of a pipeline of GitLab: as steps, and whether what deploys has run.

GitLab calls a pipeline a success once all jobs that it waits for succeeded, and it waits for no manual job that may fail,
which plain ``when: manual`` means. So its word alone does not say that a manual job deployed anything. ``jobs`` in portal.yaml
names those that must have succeeded; where it names none, every manual job that was not played may be the one that deploys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from apps.core.errors import Unavailable
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

PAGE, MOST_PAGES = 100, 20
MOST_MANUAL = 50
NAME_THEM = "`jobs` under `deploy` in portal.yaml names the jobs that deploy; others are not waited for."
AT_REST = frozenset({"success", "failed", "canceled", "skipped", "manual"})
"""Of a job: nothing of it runs, and without a person nothing will."""
FAILURES = {
    "script_failure": "its script ended with an error.",
    "stuck_or_timeout_failure": "no runner took it, or it took too long.",
    "job_execution_timeout": "it took longer than GitLab allows.",
    "runner_system_failure": "the runner failed.",
}
_PART = re.compile(r"(: \[.*\]| \d+/\d+)+")
"""What GitLab appends to the name of a job that ``parallel`` makes several of."""


def rows_of(client: Client, pipeline: str, number: int) -> list[dict[str, Any]]:
    """All jobs and triggers of the pipeline at the path ``pipeline``, in their order, also those that were tried again since.

    ``is_bridge``: it starts another pipeline. ``is_replaced``: a later one of its name counts instead.
    """
    found = [*_listed(client, pipeline, number, "jobs"), *_listed(client, pipeline, number, "bridges")]
    rows = sorted(found, key=lambda row: whole_number(row.get("id")))
    newest = {name_of(row): row["id"] for row in rows}
    return [{**row, "is_replaced": newest[name_of(row)] != row["id"]} for row in rows]


def _listed(client: Client, pipeline: str, number: int, what: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        # Of triggers the manual does not tell the flag; they are found in the same way, and where they are not it does nothing.
        params = {"include_retried": "true", "per_page": str(PAGE), "page": str(page)}
        found = listed(client.read(f"{pipeline}/{what}", params=params).json())
        for row in found:
            belongs(mapping(row.get("pipeline")), id=number)
        rows += [{**row, "is_bridge": what == "bridges"} for row in found]
        if len(found) < PAGE:
            return rows
    message = (
        f"The pipeline has more than {MOST_PAGES * PAGE:,} jobs, so how they ended is not known here. Look in GitLab."
    )
    raise Unavailable("too_many_jobs", message)


def name_of(row: Mapping[str, Any]) -> str:
    return plain(row.get("name"), 255)


def that_count(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without those that were tried again."""
    return [row for row in rows if not row["is_replaced"]]


def seen_manual(run: Run, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of all jobs of this run that were ever seen waiting for a person: what is stored of it."""
    known = [str(name) for name in run.external.get("manual") or ()]
    new = [name_of(row) for row in that_count(rows) if row.get("status") == "manual"]
    return list(dict.fromkeys([*known, *new]))[:MOST_MANUAL]


def deploying(run: Run, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What must have succeeded before a pipeline that GitLab calls a success is one: see the module."""
    rows = that_count(rows)
    if named := jobs_named(run):
        return [row for row in rows if any(is_named(name_of(row), name) for name in named)]
    manual = seen_manual(run, rows)
    return [row for row in rows if name_of(row) in manual]


def why_not_deployed(run: Run, rows: list[dict[str, Any]]) -> str:
    """What of :func:`deploying` is missing, or is over and did not succeed; empty: all of it did, or can still be played."""
    named = jobs_named(run)
    absent = [name for name in named if not any(is_named(name_of(row), name) for row in that_count(rows))]
    if absent:
        return f"it has no job {absent[0]}, which `jobs` in portal.yaml names"
    good = {"success", "manual", "skipped"} if unplayed(run, rows) else {"success"}
    ended = [row for row in deploying(run, rows) if row.get("status") not in good]
    if not ended:
        return ""
    status, name = plain(ended[0].get("status"), 40), plain(ended[0].get("name"), NAME_MOST)
    how = {"skipped": "was skipped", "canceled": "was cancelled"}.get(status, status)
    why = "which `jobs` in portal.yaml names" if named else "which had waited to be played"
    return f"the job {name}, {why}, {how}"


def unplayed(run: Run, rows: list[dict[str, Any]]) -> list[str]:
    """The names of those of :func:`deploying` that wait for a person; what needs them may be skipped until then."""
    return [plain(row.get("name"), NAME_MOST) for row in deploying(run, rows) if row.get("status") == "manual"]


def is_named(found: str, name: str) -> bool:
    """Whether a job that is called ``found`` is the one of that name, or a part of it."""
    return is_part_of(found, name, _PART)


def step_of(row: Mapping[str, Any], *, is_over: bool) -> StepProgress:
    """A job; one that did not run keeps waiting, and is skipped when the pipeline is over."""
    status, is_bridge, is_replaced = str(row.get("status")), bool(row["is_bridge"]), bool(row["is_replaced"])
    fields: dict[str, Any] = {"state": StepState.WAITING}
    if status in {"running", "canceling"}:
        fields = {"state": StepState.RUNNING}
    elif status == "success":
        fields = as_ended()
    elif status == "failed":
        fields = as_ended(_why(row))
    elif status == "canceled" and row.get("started_at"):
        fields = as_ended(is_cancelled=True)
    downstream = mapping(row.get("downstream_pipeline"))
    return StepProgress(
        key=f"{'bridge' if is_bridge else 'job'}-{row['id']}",
        name=plain(f"{row.get('stage')} / {row.get('name')}", NAME_MOST),
        link=web_link(downstream.get("web_url") or row.get("web_url")),
        is_optional=row.get("allow_failure") is True or is_replaced,
        offers=() if is_bridge or is_over or is_replaced else _offers(status),
        began=moment(row.get("started_at")),
        ended=moment(row.get("finished_at")),
        **fields,
    )


def _offers(status: str) -> tuple[str, ...]:
    return {"manual": ("play",), "failed": ("retry",), "canceled": ("retry",)}.get(status, ())


def _why(row: Mapping[str, Any]) -> str:
    reason = plain(row.get("failure_reason"), 100)
    return FAILURES.get(reason, f"GitLab says {reason.replace('_', ' ') or 'no more'}.")


def has_failed(step: StepProgress) -> bool:
    return step.state == StepState.ENDED and not step.is_success and not step.is_optional
