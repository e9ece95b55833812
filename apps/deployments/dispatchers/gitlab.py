"""Pipelines of GitLab (REST API v4).

A pipeline runs the head of a branch or tag, never a commit of our choice. So the head is compared with the
approved commit before the start, or a tag is made there (``tags``); and the pipeline's commit after it: one of
another commit is cancelled and fails. The key of the attempt travels as the variable ``PORTAL_KEY``; by it a pipeline is looked for
whose answer was lost (``gitlab_lost``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from apps.core.clock import now
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
    gitlab_downstream,
    gitlab_lost,
)
from apps.deployments.dispatchers.answers import NOT_THERE
from apps.deployments.dispatchers.busy import spared
from apps.deployments.dispatchers.gitlab_jobs import (
    AT_REST,
    NAME_THEM,
    has_failed,
    rows_of,
    seen_manual,
    step_of,
    that_count,
    unplayed,
    why_not_deployed,
)
from apps.deployments.dispatchers.gitlab_logs import as_printed
from apps.deployments.dispatchers.gitlab_lost import sent_variables, trigger_of
from apps.deployments.dispatchers.gitlab_repeats import (
    is_end_before,
    kept_of,
    of_this_attempt,
    require_repeatable,
    tries_of,
)
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import (
    LOG_MOST,
    SeveralRuns,
    asked_again,
    belongs,
    jobs_named,
    limited,
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
from apps.deployments.dispatchers.repeats import has_begun, is_repeat, told_before, waiting_for_try
from apps.deployments.dispatchers.tags import kept_tag, of_gitlab, pin, tag_of, unpin
from apps.deployments.dispatchers.words import joined, minutes, said

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
UNPLAYED_FOR = 3600.0
"""Seconds for which a manual job of a pipeline that is over otherwise is waited for, where portal.yaml says neither for how long nor which."""


class GitLabDispatcher:
    """See the module."""

    capabilities = Capabilities(cancel=True, logs=True, only_failed=True, remote=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        return {**kept_tag(run), **told_before(run, "pipeline")}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        with _client(run) as client:
            if is_repeat(run):
                return _repeat(client, run)
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
                client.require_shown(_project(run), "the project")
                problem = f"GitLab does not know pipeline {known['pipeline']}, or hides it from the connection."
                return not_shown(run, problem, kept=known)
            what = f"GitLab pipeline {known['pipeline']}"
            if told.get("sha") != run.commit:
                is_over = _stop(client, run, told)
                other = of_another_commit(run, str(told.get("sha")), what, is_over=is_over, external=known)
                return limited(run, other, what)
            return spared(limited(run, _progress(client, run, told, known), what), client.allowance, "GitLab")

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        job = number_of(key, "job")
        if not job:
            return b""  # a trigger of another pipeline has no log

        def fetch() -> bytes:
            with _client(run) as client:
                answer = client.read(f"{_project(run)}/jobs/{job}/trace", allow=(NOT_THERE,), most=LOG_MOST)
            return answer.body if answer.status < NOT_THERE else b""

        return log_window(run, key, fetch, offset, limit, clean=as_printed)

    def cancel(self, run: Run) -> bool:
        if not run.is_sent:
            return False
        with _client(run) as client, asked_again(), contextlib.suppress(SeveralRuns):  # observe tells
            known, _ = _known(client, run)
            told = _pipeline(client, run, known) if known else None
            if told is not None and _stop(client, run, told):
                rows = rows_of(client, f"{_project(run)}/pipelines/{told['id']}", told["id"])
                gitlab_downstream.stop(client, gitlab_downstream.behind(run, rows))
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
    return Client(run.outside, _headers(run.outside), is_counted=True)


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


def _repeat(client: Client, run: Run) -> dict[str, Any]:
    """Ask for the next try of the pipeline; at a tag of the first try, which was deleted since, its jobs find the commit."""
    path = f"{_project(run)}/pipelines/{run.external['pipeline']}"
    require_repeatable(client, run, path)
    tag = of_gitlab(run, _project(run))
    if tag_of(run):
        pin(client, run, tag)
    try:
        client.change("POST", f"{path}/retry")
    except Refused:
        unpin(client, run, tag)
        raise
    return {"accepted": now().isoformat()}


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
    rows = rows_of(client, f"{_project(run)}/pipelines/{number}", number)
    if not has_begun(run, tries_of(rows)):
        return waiting_for_try(run, known, "GitLab", f"pipeline {number}")
    rows = of_this_attempt(run, rows)
    kept = {**known, "manual": seen_manual(run, rows)}
    if run.is_cancelled and status == "manual" and all(row.get("status") in AT_REST for row in that_count(rows)):
        text = f"GitLab pipeline {number} waits for a manual job, which GitLab does not cancel; nothing of it runs."
        return Progress(RunState.ENDED, _steps(rows, is_over=True), "cancelled", text, external=kept)
    if status not in OUTCOMES:
        words = GOING_ON.get(status, f"is in the state {status!r}, which this portal does not know")
        text = f"GitLab pipeline {number} {words}."
        return Progress(RunState.RUNNING, _steps(rows), text=text, external=kept)
    if is_end_before(run, told, rows):
        return Progress(RunState.RUNNING, text=f"GitLab pipeline {number} begins its next try.", external=kept)
    outcome, problem = OUTCOMES[status], ""
    why = why_not_deployed(run, rows) if status in {"success", "skipped"} else status
    if unfinished := _unfinished(run, told, rows, kept, is_good=not why):
        return unfinished
    if why and outcome == "succeeded":
        outcome, problem = "failed", f"GitLab calls pipeline {number} a success, but {why}."
    steps = _steps(rows, is_over=True)
    problem = problem or ("" if any(has_failed(step) for step in steps) else _problem(client, told, status, number))
    kept |= {"tries": 0} if outcome == "succeeded" else kept_of(told, rows)
    return Progress(RunState.ENDED, steps, outcome, f"GitLab: {status}.", problem=problem, external=kept)


def _steps(rows: list[dict[str, Any]], *, is_over: bool = False) -> tuple[StepProgress, ...]:
    return tuple(step_of(row, is_over=is_over) for row in rows)


def _unfinished(
    run: Run, told: Mapping[str, Any], rows: list[dict[str, Any]], kept: Mapping[str, Any], *, is_good: bool
) -> Progress | None:
    """How the run is where GitLab waits for nothing any more, and what may deploy is not done; ``None``: it is.

    Not ``is_good``: it has failed already, and only what still works is waited for.
    """
    if is_good and (names := unplayed(run, rows)):
        return _unplayed(run, told, rows, names, kept)
    found = gitlab_downstream.behind(run, rows)
    if found and (is_good or any(one.goes_on for one in found)):
        return gitlab_downstream.progress(run, plain(told.get("status"), 40), found, _steps(rows, is_over=True), kept)
    return None


def _unplayed(
    run: Run, told: Mapping[str, Any], rows: list[dict[str, Any]], names: list[str], kept: Mapping[str, Any]
) -> Progress:
    """GitLab waits for nothing any more, and what may deploy was not played: a person does that, or says that it is not needed."""
    is_named = bool(jobs_named(run))
    what = f"GitLab pipeline {kept['pipeline']} is over, but for what was not played: {joined(names)}."
    if run.is_cancelled:
        return Progress(RunState.ENDED, _steps(rows, is_over=True), "cancelled", what, external=kept)
    since = moment(told.get("finished_at"))
    waited = (now() - since).total_seconds() if since else run.age(now())
    hint = "" if is_named else f" {NAME_THEM}"
    if not is_named and not run.options.get("timeout") and waited > UNPLAYED_FOR:
        problem = f"{what} Within {minutes(UNPLAYED_FOR)} nobody did, and nobody can say whether it deploys.{hint}"
        return Progress(RunState.LOST, _steps(rows, is_over=True), problem=problem, external=kept)
    return Progress(RunState.RUNNING, _steps(rows), text=f"{what} Play it, or cancel.{hint}", external=kept)


def _problem(client: Client, told: Mapping[str, Any], status: str, number: int) -> str:
    """Why a pipeline failed none of whose jobs did."""
    if status == "skipped":
        return f"GitLab skipped pipeline {number}: none of its jobs ran, so nothing was deployed."
    if status == "failed":
        errors = said(client.outside, told.get("yaml_errors"))
        return f"GitLab could not run pipeline {number}: {errors}" if errors else f"GitLab pipeline {number} failed."
    return ""
