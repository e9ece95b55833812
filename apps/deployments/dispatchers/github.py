"""Workflow runs of GitHub Actions (REST API, version 2022-11-28).

``workflow_dispatch`` takes a branch or tag, never a commit. So its head is compared with the approved commit
before the start, or a tag is made there (``tags``); and the run's ``head_sha`` after it: a run of another commit is
cancelled and fails. The key of the attempt travels as the input ``portal_key``. GitHub shows no inputs of a run, so a
run whose answer was lost is found by its tag, or when the workflow writes the key in its name:
``run-name: ${{ inputs.portal_key }}``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, timedelta
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
)
from apps.deployments.dispatchers.answers import FORBIDDEN, NOT_THERE, Answer
from apps.deployments.dispatchers.busy import clock_of, spared
from apps.deployments.dispatchers.github_environments import create_deployment, find_deployment, note, note_end
from apps.deployments.dispatchers.github_jobs import WHY, beside, is_over, is_told, jobs_of, steps_of, why_not_deployed
from apps.deployments.dispatchers.github_repeats import REPEATABLE, repeat, require_repeatable, tries_of
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import (
    LOG_MOST,
    SeveralRuns,
    asked_again,
    belongs,
    jobs_named,
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
    spelled,
    still_looking,
    the_one,
    unless_several,
    web_link,
    whole_number,
)
from apps.deployments.dispatchers.repeats import has_begun, is_repeat, told_before, waiting_for_try
from apps.deployments.dispatchers.tags import kept_tag, of_github, pin, tag_of, unpin

OUTCOMES = {
    "success": "succeeded",
    "failure": "failed",
    "timed_out": "failed",
    "startup_failure": "failed",
    "skipped": "failed",
    "cancelled": "cancelled",
}
GOING_ON = {
    "queued": "waits for a runner",
    "requested": "was requested",
    "pending": "waits because another run of its concurrency group goes on",
    "waiting": "waits until somebody approves it in GitHub, or a timer ends",
    "in_progress": "runs",
}
NO_CONTENT, FOUND, CONFLICT, GONE = 204, 302, 409, 410
MOST_SUSPECTS = 50
SKEW = timedelta(minutes=2)
TELL_ID = "return_run_details"
BOM = b"\xef\xbb\xbf"
LOG_GONE = b"[GitHub does not keep this log any more, or somebody deleted it.]\n"
LOG_COMES_WITHIN = timedelta(seconds=60)
"""After the end of a job, "no such log" may mean that GitHub has not stored it yet."""
_NAME = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9_.-]+/(?!\.{1,2}$)[A-Za-z0-9_.-]+")


class GitHubDispatcher:
    """See the module."""

    capabilities = Capabilities(cancel=True, logs=True, only_failed=True, remote=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        return {**kept_tag(run), **told_before(run, "run")}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        with _client(run) as client:
            ref = _ref(client, run)
            path, deployment = "", 0
            try:
                deployment = create_deployment(client, run, _repository(run))
                path = f"{_repository(run)}/deployments/{deployment}" if deployment else ""
                found = repeat(client, run, _repository(run)) if is_repeat(run) else _start(client, run, ref)
            except Refused:
                note(client, path, "error", "It was not started.")
                unpin(client, run, of_github(run, _repository(run)))
                raise
            link = str(found.get("link") or run.external.get("link") or "")
            note(client, path, "queued", "The portal started it.", link)
            return {**found, "deployment": deployment}

    @unless_several
    def observe(self, run: Run) -> Progress:
        if not run.is_sent:
            return Progress(RunState.NOT_STARTED)
        with _client(run) as client:
            known, hint = _known(client, run)
            if not known:
                return still_looking(run, "GitHub", hint)
            told = _run(client, run, known)
            what = f"GitHub run {known['run']}"
            if told is None:
                client.require_shown(_repository(run), "the repository")
                problem = f"GitHub does not know run {known['run']}, or hides it from the connection."
                return not_shown(run, problem, kept=known)
            if not has_begun(run, tries_of(told)):
                return waiting_for_try(run, known, "GitHub", f"run {known['run']}")
            if told.get("head_sha") != run.commit:
                is_over = _stop(client, run, told)
                other = of_another_commit(run, str(told.get("head_sha")), what, is_over=is_over, external=known)
                return limited(run, other, what)
            return spared(limited(run, _progress(client, run, told, known), what), client.allowance, "GitHub")

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        job = number_of(key, "job")
        if not job or key not in run.memory.get("ended", {}):
            return b""  # GitHub has logs of whole jobs, once they are over

        def fetch() -> bytes:
            with _client(run) as client:
                path = f"{_repository(run)}/actions/jobs/{job}/logs"
                answer = client.read(path, allow=(FOUND, NOT_THERE, GONE), most=LOG_MOST)
                if answer.status == FOUND:
                    answer = client.follow(answer, most=LOG_MOST)
            if answer.status == GONE:
                return LOG_GONE
            if answer.status < NOT_THERE:
                return answer.body
            ended = run.memory["ended"][key]
            if answer.status == NOT_THERE and ended and clock_of(answer) - ended < LOG_COMES_WITHIN:
                raise Unavailable("log_not_ready", "GitHub has not stored the log of a job yet.")
            return b""

        return log_window(run, key, fetch, offset, limit, clean=lambda raw: raw.removeprefix(BOM))

    def cancel(self, run: Run) -> bool:
        if not run.is_sent:
            return False
        with _client(run) as client, asked_again(), contextlib.suppress(SeveralRuns):  # observe tells
            known, _ = _known(client, run)
            told = _run(client, run, known) if known else None
            if told is not None:
                _stop(client, run, told)
        return True

    def discard(self, run: Run) -> None:
        """Tell the environment in GitHub how it ended, and delete the tag; the run itself stays there as the record."""
        if run.outside is None:
            return
        with contextlib.suppress(Unavailable), _client(run) as client:
            unpin(client, run, of_github(run, _repository(run)))
            if not run.is_sent or not run.options.get("environment"):
                return
            deployment = find_deployment(client, run, _repository(run))
            known, _ = _known(client, run)
            told = (_run(client, run, known) if known else None) or {}
            is_ours = told.get("head_sha") == run.commit
            outcome = OUTCOMES.get(str(told.get("conclusion")), "") if is_ours else "failed"
            if outcome == "succeeded" and _why_not(client, run, told):
                outcome = "failed"
            link = str(known.get("link", "")) if known else ""
            note_end(client, f"{_repository(run)}/deployments/{deployment}" if deployment else "", outcome, link)


def test(outside: Outside) -> str:
    """Who the token is."""
    with Client(outside, _headers(outside)) as client:
        answer = client.read("/user", allow=(FORBIDDEN,))
    if answer.status == FORBIDDEN:
        return "GitHub takes the token; it is not one of a user."
    return (
        f"GitHub knows the connection as {plain(mapping(answer.json()).get('login'), 100) or 'a user without a name'}."
    )


def _headers(outside: Outside | None) -> dict[str, str]:
    token = outside.credentials["token"] if outside else ""
    accept = "application/vnd.github+json"
    return {"Authorization": f"Bearer {token}", "Accept": accept, "X-GitHub-Api-Version": "2022-11-28"}


def _client(run: Run) -> Client:
    return Client(run.outside, _headers(run.outside), is_counted=True)


def _repository(run: Run) -> str:
    name = str(run.options["repository"])
    if not _NAME.fullmatch(name):
        raise Refused(
            "bad_name", f"{plain(name, 100)!r} is no repository. Write `repository: owner/name` in portal.yaml."
        )
    return f"/repos/{name}"


def _workflow(run: Run) -> str:
    return f"{_repository(run)}/actions/workflows/{segment(run.options['workflow'])}"


def _ref(client: Client, run: Run) -> str:
    """The branch or tag to start, which is at the approved commit now; a run that is repeated keeps its own."""
    repository = _repository(run)
    if is_repeat(run):
        require_repeatable(client, run, repository)
    if tag_of(run):
        return pin(client, run, of_github(run, repository))
    if is_repeat(run):
        return ""
    ref = str(run.options.get("ref") or mapping(client.ask_first(repository)).get("default_branch"))
    head = mapping(client.ask_first(f"{repository}/commits/{segment(ref)}"))
    require_head(run, "GitHub", ref, run.options["repository"], head.get("sha"))
    return ref


def _asked(client: Client, run: Run, body: Mapping[str, Any]) -> Answer:
    """Ask for the run and its id. A server that refuses to be asked for an id started nothing: it is asked without."""
    path = f"{_workflow(run)}/dispatches"
    try:
        return client.change("POST", path, json={**body, TELL_ID: True})
    except Refused as problem:
        if TELL_ID not in problem.message:
            raise
    return client.change("POST", path, json=body)


def _start(client: Client, run: Run, ref: str) -> dict[str, Any]:
    """Start the run. Servers that do not tell its id answer 204; then it is looked for."""
    inputs = {name: spelled(value) for name, value in (run.options.get("inputs") or {}).items()}
    inputs |= {"portal_key": run.key, "portal_commit": run.commit}
    try:
        answer = _asked(client, run, {"ref": ref, "inputs": inputs})
    except Refused as problem:
        if "nexpected inputs" not in problem.message:
            raise
        hint = "The workflow must declare `portal_key` and `portal_commit` under `on.workflow_dispatch.inputs`."
        raise Refused(problem.code, f"{problem.message} {hint}") from problem
    found: dict[str, Any] = {"accepted": now().isoformat()}
    if answer.status != NO_CONTENT:
        try:
            told = mapping(answer.json())
            found |= {"run": whole_number(told.get("workflow_run_id")), "link": web_link(told.get("html_url"))}
        except Unavailable as problem:
            raise InDoubt(problem.code, problem.message) from problem
    return found


def _known(client: Client, run: Run) -> tuple[dict[str, Any], str]:
    """The run as it is stored, or found by its key; else nothing and what a person can do about it."""
    if run.external.get("run"):
        return {"run": run.external["run"], "link": run.external.get("link", "")}, ""
    since = ((moment(run.external.get("sent")) or now()) - SKEW).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"event": "workflow_dispatch", "created": f">={since}", "per_page": str(MOST_SUSPECTS)}
    rows = listed(mapping(client.read(f"{_workflow(run)}/runs", params=asked).json()).get("workflow_runs"))
    shown = [row for row in rows if _is_named(row, run)]
    me = _login(client) if shown else ""
    ours = the_one((row for row in shown if not me or _actor(row) in {"", me}), "runs of GitHub")
    if ours:
        return {"run": whole_number(ours.get("id")), "link": web_link(ours.get("html_url"))}, ""
    if shown:
        return {}, f"Somebody else started the run that has it: {plain(_actor(shown[0]), 60)}."
    at_commit = sum(1 for row in rows if row.get("head_sha") == run.commit)
    workflow = plain(run.options["workflow"], 100)
    seen = (
        f"{at_commit} runs of {workflow} at this commit were started since, and none shows a key that is ours."
        if at_commit
        else ""
    )
    by_name = f"With `run-name: ${{{{ inputs.portal_key }}}}` in {workflow} the portal finds it by itself."
    hint = f"Look at the runs of {workflow} at the tag {tag_of(run)}." if tag_of(run) else by_name
    return {}, f"{seen} {hint}".strip()


def _is_named(row: Mapping[str, Any], run: Run) -> bool:
    """Whether a run shows our key, or is at our tag."""
    return run.key in f"{row.get('display_title')} {row.get('name')}" or row.get("head_branch") == (
        tag_of(run) or run.key
    )


def _login(client: Client) -> str:
    """Who the connection is; empty where its token is not one of a user."""
    answer = client.read("/user", allow=(FORBIDDEN,))
    return str(mapping(answer.json()).get("login") or "").lower() if answer.status < FORBIDDEN else ""


def _actor(row: Mapping[str, Any]) -> str:
    """Who started a run, whoever repeated it later; empty where GitHub does not say."""
    return str(mapping(row.get("actor")).get("login") or "").lower()


def _run(client: Client, run: Run, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The run now; ``None`` when GitHub does not know it."""
    answer = client.read(f"{_repository(run)}/actions/runs/{known['run']}", allow=(NOT_THERE,))
    if answer.status == NOT_THERE:
        return None
    told = mapping(answer.json())
    belongs(told, id=known["run"], event="workflow_dispatch")
    name = str(mapping(told.get("repository")).get("full_name"))
    belongs({"repository": name.lower()}, repository=str(run.options["repository"]).lower())
    return told


def _stop(client: Client, run: Run, told: Mapping[str, Any]) -> bool:
    """Cancel it unless it is over; whether it is. Repeating it is harmless."""
    if told.get("status") == "completed":
        return True
    with asked_again():
        client.change("POST", f"{_repository(run)}/actions/runs/{told['id']}/cancel", allow=(CONFLICT,))
    return False


def _why_not(client: Client, run: Run, told: Mapping[str, Any]) -> str:
    """Why what GitHub calls a success is none here; empty: it is."""
    jobs = jobs_of(client, f"{_repository(run)}/actions/runs/{told['id']}", told["id"]) if jobs_named(run) else []
    return why_not_deployed(run, jobs)


def _progress(client: Client, run: Run, told: Mapping[str, Any], known: Mapping[str, Any]) -> Progress:
    status, ended, number = plain(told.get("status"), 40), plain(told.get("conclusion"), 40), known["run"]
    jobs = jobs_of(client, f"{_repository(run)}/actions/runs/{number}", number)
    run.memory["ended"] = {f"job-{job['id']}": moment(job.get("completed_at")) for job in jobs if is_over(job)}
    steps = tuple(step for job in jobs for step in steps_of(job, is_fine=ended == "success"))
    if status != "completed":
        words = GOING_ON.get(status, f"is in the state {status!r}, which this portal does not know")
        return Progress(RunState.RUNNING, steps, text=f"GitHub run {number} {words}.", external=dict(known))
    if not is_told(told, jobs):
        text = f"GitHub run {number} is over, and GitHub does not tell yet how all of it ended."
        return Progress(RunState.RUNNING, steps, text=text, external=dict(known))
    if ended not in OUTCOMES:
        problem = (
            f"GitHub says that run {number} ended as {ended!r}, which is neither success nor failure to this portal."
        )
        return Progress(RunState.LOST, steps, problem=problem, external=dict(known))
    outcome, problem = OUTCOMES[ended], f"GitHub run {number} failed: {WHY[ended]}" if ended in WHY else ""
    if outcome == "succeeded" and (why := why_not_deployed(run, jobs)):
        outcome, problem = "failed", f"GitHub calls run {number} a success, but {why}."
    kept = {**known, "tries": tries_of(told) if ended in REPEATABLE else 0}
    text = f"GitHub: {ended}.{beside(jobs)}"
    return Progress(RunState.ENDED, steps, outcome, text, problem=problem, external=kept)
