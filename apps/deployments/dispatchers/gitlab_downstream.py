"""Pipelines that a trigger of ours started, and that GitLab does not wait for.

A trigger without ``strategy: depend`` or ``mirror`` succeeds as soon as the other pipeline exists, so GitLab calls ours a success
while that one runs, and also when it fails. It may be the one that deploys: ``jobs`` of portal.yaml says by the name of
its trigger whether it is; where nothing is named each that may not fail is waited for. What these start in turn is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.deployments.dispatchers import Progress, Run, RunState, StepProgress
from apps.deployments.dispatchers.gitlab_jobs import NAME_THEM, is_named, name_of, that_count
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import NAME_MOST, asked_again, jobs_named, mapping, plain

OVER = frozenset({"success", "failed", "canceled", "skipped"})
WAITS = "manual"


@dataclass(frozen=True, slots=True)
class Behind:
    """One of them: the trigger's name, and what GitLab tells of its pipeline."""

    trigger: str
    number: int
    project: int
    status: str

    @property
    def goes_on(self) -> bool:
        """Whether something of it may still run by itself."""
        return self.status not in OVER and self.status != WAITS

    @property
    def text(self) -> str:
        return (
            f"pipeline {self.number} of its trigger {plain(self.trigger, NAME_MOST)} is {self.status.replace('_', ' ')}"
        )


def behind(run: Run, rows: Iterable[Mapping[str, Any]]) -> list[Behind]:
    """Those of triggers that went well which did not succeed, or not yet."""
    found = [_told(row) for row in that_count(rows) if row["is_bridge"] and row.get("status") == "success"]
    names = jobs_named(run)
    return [
        one
        for one, may_fail in found
        if one.status not in {"", "success"}
        and (any(is_named(one.trigger, name) for name in names) if names else not may_fail)
    ]


def _told(row: Mapping[str, Any]) -> tuple[Behind, bool]:
    told = mapping(row.get("downstream_pipeline"))
    number, project = (value if isinstance(value, int) else 0 for value in (told.get("id"), told.get("project_id")))
    return Behind(name_of(row), number, project, plain(told.get("status"), 40)), row.get("allow_failure") is True


def progress(
    run: Run, status: str, found: list[Behind], steps: tuple[StepProgress, ...], kept: Mapping[str, Any]
) -> Progress:
    """How the run is: ours is over with that status by GitLab's word, and ``found`` is not, or did not go well."""
    first = next((one for one in found if one.goes_on), None) or next(
        (one for one in found if one.status == WAITS), found[0]
    )
    says = "a success, but" if status == "success" else f"{status}, and"
    what = f"GitLab calls pipeline {kept['pipeline']} {says} {first.text}."
    if first.goes_on or (first.status == WAITS and not run.is_cancelled):
        return Progress(RunState.RUNNING, steps, text=what, external=kept)
    kept = {**kept, "tries": 0}
    if run.is_cancelled:
        return Progress(RunState.ENDED, steps, "cancelled", what, external=kept)
    if jobs_named(run):
        return Progress(RunState.ENDED, steps, "failed", what, problem=what, external=kept)
    problem = f"{what} Nobody can say whether that one deploys. {NAME_THEM}"
    return Progress(RunState.LOST, steps, problem=problem, external=kept)


def stop(client: Client, found: Iterable[Behind]) -> None:
    """Cancel those that go on; repeating it is harmless."""
    for one in found:
        if one.number and one.project and one.goes_on and one.status != "canceling":
            with asked_again():
                client.change("POST", f"/api/v4/projects/{one.project}/pipelines/{one.number}/cancel")
