"""Pipelines of GitLab (REST API v4).

A pipeline runs the head of a branch or tag, never a commit of our choice. So the head is compared with the
approved commit before the start, or a tag is made there (``tags``); and the pipeline's commit after it: one of
another commit is cancelled and fails. The key of the attempt travels as the variable ``PORTAL_KEY``; by it a pipeline is looked for
whose answer was lost (``gitlab_lost``).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import (
    Capabilities,
    InDoubt,
    Outside,
    Progress,
    Refused,
    Run,
    RunState,
    StepProgress,
    StepState,
    gitlab_lost,
)
from apps.deployments.dispatchers.gitlab_lost import sent_variables, trigger_of
from apps.deployments.dispatchers.http import NOT_THERE, Client
from apps.deployments.dispatchers.remote import (
    LOG_MOST,
    NAME_MOST,
    SeveralRuns,
    as_ended,
    asked_again,
    belongs,
    limited,
    listed,
    log_window,
    mapping,
    moment,
    not_shown,
    number_of,
    of_another_commit,
    plain,
    require_head,
    segment,
    still_looking,
    unless_several,
    web_link,
    whole_number,
)
from apps.deployments.dispatchers.tags import kept_tag, of_gitlab, pin, tag_of, unpin
from apps.deployments.dispatchers.words import said

OUTCOMES = {"success": "succeeded", "failed": "failed", "canceled": "cancelled", "skipped": "failed"}
"""Words of a pipeline that is over. ``skipped``: no job of it ran, so nothing was deployed."""
GOING_ON = {
    "created": "was created",
    "waiting_for_resource": "waits for a resource that another pipeline holds",
    "waiting_for_callback": "waits for an answer from outside",
    "preparing": "is being prepared",
    "pending": "waits for a runner",
    "running": "runs",
    "canceling": "is being cancelled",
    "manual": "waits until somebody plays a manual job",
    "scheduled": "waits until a delayed job is due",
}
FAILURES = {
    "script_failure": "its script ended with an error.",
    "stuck_or_timeout_failure": "no runner took it, or it took too long.",
    "job_execution_timeout": "it took longer than GitLab allows.",
    "runner_system_failure": "the runner failed.",
}
PAGE, MOST_PAGES = 100, 5
_SECTION = re.compile(rb"section_(?:start|end):\d+:[^\r\n]*\r\x1b\[0K")


class GitLabDispatcher:
    """See the module."""

    capabilities = Capabilities(cancel=True, logs=True, remote=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        return kept_tag(run)

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        with _client(run) as client:
            project = mapping(client.ask_first(_project(run)))
            ref = _ref_at_commit(client, run, project)
            try:
                told = _start(client, run, ref)
            except Refused:
                unpin(client, run, of_gitlab(run, _project(run)))
                raise
            found = _kept(told, project)
            if told.get("sha") != run.commit:
                with contextlib.suppress(Unavailable):  # observe asks again
                    client.change("POST", f"{_project(run)}/pipelines/{found['pipeline']}/cancel")
            return found

    @unless_several
    def observe(self, run: Run) -> Progress:
        if not run.is_sent:
            return Progress(RunState.NOT_STARTED)
        with _client(run) as client:
            known, hint = _known(client, run)
            if not known:
                return still_looking(run, "GitLab", hint)
            told = _pipeline(client, run, known)
            if told is None:
                problem = f"GitLab does not know pipeline {known['pipeline']}, or hides it from the connection."
                return not_shown(run, problem, kept=known)
            what = f"GitLab pipeline {known['pipeline']}"
            if told.get("sha") != run.commit:
                is_over = _stop(client, run, told)
                other = of_another_commit(run, str(told.get("sha")), what, is_over=is_over, external=known)
                return limited(run, other, what)
            return limited(run, _progress(client, run, told, known), what)

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        job = number_of(key, "job")
        if not job:
            return b""  # a trigger of another pipeline has no log

        def fetch() -> bytes:
            with _client(run) as client:
                answer = client.read(f"{_project(run)}/jobs/{job}/trace", allow=(NOT_THERE,), most=LOG_MOST)
            return answer.body if answer.status < NOT_THERE else b""

        return log_window(run, key, fetch, offset, limit, clean=lambda raw: _SECTION.sub(b"", raw))

    def cancel(self, run: Run) -> bool:
        if not run.is_sent:
            return False
        with _client(run) as client, asked_again(), contextlib.suppress(SeveralRuns):  # observe tells
            known, _ = _known(client, run)
            told = _pipeline(client, run, known) if known else None
            if told is not None:
                _stop(client, run, told)
        return True

    def act(self, run: Run, key: str, action: str) -> None:
        job = number_of(key, "job")
        if action not in {"play", "retry"} or not job:
            raise Refused("not_offered", f"GitLab cannot {plain(action, 20)} this step.")
        with _client(run) as client:
            told = mapping(client.ask_first(f"{_project(run)}/jobs/{job}"))
            belongs(mapping(told.get("pipeline")), id=run.external.get("pipeline"))
            client.change("POST", f"{_project(run)}/jobs/{job}/{action}")

    def discard(self, run: Run) -> None:
        """Delete the tag, also of a start that never came; the pipeline stays as the record."""
        if tag_of(run) and run.outside is not None:
            with contextlib.suppress(Unavailable), _client(run) as client:
                unpin(client, run, of_gitlab(run, _project(run)))


def test(outside: Outside) -> str:
    """Who the token is."""
    with Client(outside, _headers(outside)) as client:
        told = mapping(client.read("/api/v4/user").json())
    return f"GitLab knows the connection as {plain(told.get('username'), 100) or 'a user without a name'}."


def _headers(outside: Outside | None) -> dict[str, str]:
    return {"PRIVATE-TOKEN": outside.credentials["token"]} if outside else {}


def _client(run: Run) -> Client:
    return Client(run.outside, _headers(run.outside))


def _project(run: Run) -> str:
    return f"/api/v4/projects/{segment(run.options['project'])}"


def _ref(run: Run, project: Mapping[str, Any]) -> str:
    return tag_of(run) or str(run.options.get("ref") or project.get("default_branch") or "main")


def _ref_at_commit(client: Client, run: Run, project: Mapping[str, Any]) -> str:
    """The branch or tag to start, which is at the approved commit now."""
    if tag_of(run):
        return pin(client, run, of_gitlab(run, _project(run)))
    ref = _ref(run, project)
    head = mapping(client.ask_first(f"{_project(run)}/repository/commits/{segment(ref)}"))
    require_head(run, "GitLab", ref, run.options["project"], head.get("id"))
    return ref


def _start(client: Client, run: Run, ref: str) -> dict[str, Any]:
    """Ask for the pipeline. What answers, but names no pipeline, may have started one."""
    variables = sent_variables(run)
    body: dict[str, Any] = {"ref": ref}
    if run.options.get("inputs"):
        body["inputs"] = run.options["inputs"]
    trigger = trigger_of(run)
    if trigger:
        answer = client.change(
            "POST", f"{_project(run)}/trigger/pipeline", json={**body, "token": trigger, "variables": variables}
        )
    else:
        pairs = [{"key": name, "value": value} for name, value in variables.items()]
        answer = client.change("POST", f"{_project(run)}/pipeline", json={**body, "variables": pairs})
    try:
        return mapping(answer.json())
    except Unavailable as problem:
        raise InDoubt(problem.code, problem.message) from problem


def _kept(told: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a pipeline; :class:`InDoubt` when the answer names none of this project."""
    try:
        belongs(told, project_id=project.get("id"))
        return {
            "pipeline": whole_number(told.get("id")),
            "project": whole_number(project.get("id")),
            "link": web_link(told.get("web_url")),
        }
    except Unavailable as problem:
        raise InDoubt(problem.code, problem.message) from problem


def _known(client: Client, run: Run) -> tuple[dict[str, Any], str]:
    """The pipeline of this run as it is stored, or found by its key; else nothing and what a person can do about it."""
    if run.external.get("pipeline"):
        return {name: run.external.get(name) for name in ("pipeline", "project", "link")}, ""
    project = mapping(client.read(_project(run)).json())
    ours, hint = gitlab_lost.find(client, run, _project(run), _ref(run, project), project.get("id"))
    return (_kept(ours, project) if ours else {}), hint


def _pipeline(client: Client, run: Run, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pipeline now; ``None`` when GitLab does not know it any more."""
    answer = client.read(f"{_project(run)}/pipelines/{known['pipeline']}", allow=(NOT_THERE,))
    if answer.status == NOT_THERE:
        return None
    told = mapping(answer.json())
    belongs(told, id=known["pipeline"], project_id=known["project"])
    return told


def _stop(client: Client, run: Run, told: Mapping[str, Any]) -> bool:
    """Cancel the pipeline unless it is over or stopping already; whether it is over. Repeating it is harmless."""
    status = plain(told.get("status"), 40)
    if status in OUTCOMES:
        return True
    if status != "canceling":
        with asked_again():
            client.change("POST", f"{_project(run)}/pipelines/{told['id']}/cancel")
    return False


def _progress(client: Client, run: Run, told: Mapping[str, Any], known: Mapping[str, Any]) -> Progress:
    status, number = plain(told.get("status"), 40), known["pipeline"]
    rows = [*_rows(client, run, number, "jobs"), *_rows(client, run, number, "bridges")]
    is_over = status in OUTCOMES
    steps = tuple(_step(row, is_over=is_over) for row in sorted(rows, key=lambda row: whole_number(row.get("id"))))
    if is_over:
        problem = _problem(client, told, status, number) if not any(_has_failed(step) for step in steps) else ""
        return Progress(
            RunState.ENDED, steps, OUTCOMES[status], f"GitLab: {status}.", problem=problem, external=dict(known)
        )
    words = GOING_ON.get(status, f"is in the state {status!r}, which this portal does not know")
    return Progress(RunState.RUNNING, steps, text=f"GitLab pipeline {number} {words}.", external=dict(known))


def _problem(client: Client, told: Mapping[str, Any], status: str, number: int) -> str:
    """Why a pipeline failed none of whose jobs did."""
    if status == "skipped":
        return f"GitLab skipped pipeline {number}: none of its jobs ran, so nothing was deployed."
    if status == "failed":
        errors = said(client.outside, told.get("yaml_errors"))
        return f"GitLab could not run pipeline {number}: {errors}" if errors else f"GitLab pipeline {number} failed."
    return ""


def _rows(client: Client, run: Run, number: int, what: str) -> list[dict[str, Any]]:
    """All jobs, or all triggers of other pipelines, each marked with what it is and checked to be of this pipeline."""
    rows: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        params = {"per_page": str(PAGE), "page": str(page)}
        found = listed(client.read(f"{_project(run)}/pipelines/{number}/{what}", params=params).json())
        for row in found:
            belongs(mapping(row.get("pipeline")), id=number)
        rows += [{**row, "is_bridge": what == "bridges"} for row in found]
        if len(found) < PAGE:
            break
    return rows


def _step(row: Mapping[str, Any], *, is_over: bool) -> StepProgress:
    """A job; one that did not run keeps waiting, and is skipped when the pipeline is over."""
    status, is_bridge = str(row.get("status")), bool(row["is_bridge"])
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
        is_optional=row.get("allow_failure") is True,
        offers=() if is_bridge or is_over else _offers(status),
        began=moment(row.get("started_at")),
        ended=moment(row.get("finished_at")),
        **fields,
    )


def _offers(status: str) -> tuple[str, ...]:
    return {"manual": ("play",), "failed": ("retry",), "canceled": ("retry",)}.get(status, ())


def _why(row: Mapping[str, Any]) -> str:
    reason = plain(row.get("failure_reason"), 100)
    return FAILURES.get(reason, f"GitLab says {reason.replace('_', ' ') or 'no more'}.")


def _has_failed(step: StepProgress) -> bool:
    return step.state == StepState.ENDED and not step.is_success and not step.is_optional
