"""Argo CD brings an application to exactly the merged commit, and the run ends when it is healthy there.

What counts is one operation: the one that carries our key (``operation.info``), or one for our commit
that began after we asked. Operations for other revisions change nothing. Argo CD runs one operation of an
application at a time and says so, and a second request is made only after a look has shown that the first
left nothing behind for :data:`SETTLE` seconds; that is why a request of unknown fate may be repeated.

An application with automated sync cannot be synced to a commit (Argo CD refuses it): it is only told to look
at Git, and the commit is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import (
    Capabilities,
    NotSent,
    Outside,
    Progress,
    Refused,
    ResourceState,
    Run,
    RunState,
    StepProgress,
    StepState,
    argo_drift,
)
from apps.deployments.dispatchers.argo_application import INFO, Application
from apps.deployments.dispatchers.argo_resources import resources
from apps.deployments.dispatchers.drift import Found
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import asked_again, asked_in_doubt, listed, mapping, moment, segment
from apps.deployments.dispatchers.standing import Standing
from apps.deployments.dispatchers.words import joined, minutes, name_of, said

DEFAULT_TIMEOUT = 1800.0
SETTLE = 30.0
"""Seconds for which a request whose answer was lost may still arrive."""
DEGRADED_FOR = 120.0
"""Seconds after which "degraded" is no longer a moment in a roll-out."""
SYNC, HOOKS, HEALTHY = "sync", "hooks", "healthy"
BUSY = "already in progress"
AUTOMATED = "auto-sync currently set"


class ArgoCDDispatcher:
    """See the module."""

    capabilities = Capabilities(cancel=True, logs=True, remote=True, resends=True, timeout=DEFAULT_TIMEOUT)

    def prepare(self, run: Run) -> dict[str, Any]:
        return {}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        with _client(run) as client:
            app = Application(run, mapping(client.ask_first(_path(run), params=_where(run))))
            if listed(mapping(app.body.get("spec")).get("sources")):
                message = f"{_application(run)} has several sources, so one commit does not say what to sync."
                raise Refused("several_sources", message)
            if app.is_ours or app.can_be_joined:
                return {"mode": "joined", "joined": str(app.operation.get("startedAt") or "")}
            if app.is_busy:
                raise NotSent(
                    "busy", f"Argo CD works on something else of {_application(run)} and takes one at a time."
                )
            if app.is_there and app.health == "Healthy":
                return {"mode": "already"}
            if app.is_automated:
                return _refreshed(client, run)
            return _synced(client, run)

    def observe(self, run: Run) -> Progress:
        if not run.is_sent:
            return Progress(RunState.NOT_STARTED)
        app = _look(run)
        if not run.external.get("mode") and not app.is_ours:
            if run.age(now()) < SETTLE:
                return Progress(RunState.RUNNING, text="The answer was lost; its operation is looked for.")
            return asked_in_doubt(run, _limit(run))
        if app.is_ours:
            return _operation_progress(run, app)
        return _state_progress(run, app)

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        app = run.memory.get("application")
        if not isinstance(app, Application):
            return b""
        return _log(app, key)[offset : offset + limit]

    def cancel(self, run: Run) -> bool:
        if not run.is_sent:
            return False
        app = _look(run)
        if app.is_ours and app.is_busy and app.phase != "Terminating":
            with _client(run) as client, asked_again():
                client.change("DELETE", f"{_path(run)}/operation", params=_where(run), allow=(400, 404))
        return True

    def discard(self, run: Run) -> None:
        return

    def find_drift(self, run: Run) -> Found:
        return argo_drift.find_drift(run, lambda: _refreshed_look(run), lambda: _managed(run))

    def find_health(self, run: Run) -> Standing:
        app = _look(run)
        return argo_drift.standing(app, _resources(run, app))


def test(outside: Outside) -> str:
    """Who Argo CD takes the token for."""
    with Client(outside, {"Authorization": f"Bearer {outside.credentials['token']}"}) as client:
        found = mapping(client.read("/api/v1/session/userinfo").json())
    if found.get("loggedIn") is not True:
        raise Unavailable(
            "outside_refused", f"{outside.name} does not accept the token. An administrator enters a new one."
        )
    return f"It knows the account {said(outside, found.get('username'), 100) or '(without a name)'}."


def _client(run: Run) -> Client:
    token = run.outside.credentials.get("token", "") if run.outside else ""
    return Client(run.outside, {"Authorization": f"Bearer {token}"})


def _application(run: Run) -> str:
    return str(run.options.get("application") or "")


def _limit(run: Run) -> float:
    return float(run.options.get("timeout") or DEFAULT_TIMEOUT)


def _path(run: Run) -> str:
    return f"/api/v1/applications/{segment(_application(run))}"


def _where(run: Run) -> dict[str, str]:
    namespace = str(run.options.get("applicationNamespace") or "")
    return {"appNamespace": namespace} if namespace else {}


def _look(run: Run) -> Application:
    with _client(run) as client:
        app = Application(run, mapping(client.read(_path(run), params=_where(run)).json()))
    if str(mapping(app.body.get("metadata")).get("name")) != _application(run):
        raise Unavailable("bad_answer", f"{name_of(run)} answered with something that is not {_application(run)}.")
    run.memory["application"] = app
    return app


def _refreshed_look(run: Run) -> Application:
    """The application after Argo CD has compared it anew, which changes nothing."""
    with _client(run) as client:
        found = mapping(client.read(_path(run), params={**_where(run), "refresh": "normal"}).json())
    if str(mapping(found.get("metadata")).get("name")) != _application(run):
        raise Unavailable("bad_answer", f"{name_of(run)} answered with something that is not {_application(run)}.")
    return Application(run, found)


def _managed(run: Run) -> list[dict[str, Any]]:
    """Both sides of each resource, as Argo CD compared them."""
    with _client(run) as client:
        path = f"{_path(run)}/managed-resources"
        return listed(mapping(client.read(path, params=_where(run)).json()).get("items"))


def _refreshed(client: Client, run: Run) -> dict[str, Any]:
    """Automated sync: make Argo CD look at Git now. It changes nothing, so no failure of it is in doubt."""
    client.ask_first(_path(run), params={**_where(run), "refresh": "normal"})
    return {"mode": "auto"}


def _synced(client: Client, run: Run) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": _application(run),
        **_where(run),
        "revision": run.commit,
        "prune": bool(run.options.get("prune")),
        "infos": [{"name": INFO, "value": run.key}],
    }
    try:
        client.change("POST", f"{_path(run)}/sync", json=body)
    except Refused as problem:
        if BUSY in problem.message:
            raise NotSent("busy", problem.message) from problem
        if AUTOMATED in problem.message:
            return _refreshed(client, run)
        raise
    return {"mode": "sync"}


def _operation_progress(run: Run, app: Application) -> Progress:
    """Our operation is the latest: its phase, then the health of what it brought out."""
    steps = [_sync_step(run, app), *_hook_steps(run, app)]
    if app.is_busy:
        return _unless_late(run, app, steps, f"Argo CD: {app.words(app.operation.get('message')) or app.phase}")
    if app.phase == "Succeeded" and not (app.is_marked or app.is_there):
        text = f"An operation for {run.commit[:10]} ended, but {_application(run)} is not in sync with it yet."
        return _unless_late(run, app, steps, text)
    if app.phase == "Succeeded":
        return _health_progress(run, app, steps)
    message = app.words(app.operation.get("message")) or f"the operation ended as {app.phase}"
    if run.is_cancelled:
        return Progress(RunState.ENDED, tuple(steps), "cancelled", "The operation was terminated.")
    problem = f"The sync of {_application(run)} failed: {message}"
    return Progress(RunState.ENDED, tuple(steps), "failed", problem=problem, resources=_resources(run, app))


def _state_progress(run: Run, app: Application) -> Progress:
    """Our operation is not the latest: the state of the application tells, or nobody can."""
    mode = run.external.get("mode")
    others = app.is_another_after_ours
    if app.is_there and not (app.is_busy if others or app.is_beyond else mode == "sync"):
        return _health_progress(run, app, [])
    if others and not (app.is_at_unknown and not run.is_late(now(), _limit(run))):
        other = app.words(app.revision)[:10]
        came = "had been brought out" if app.was_synced else "may have been brought out"
        problem = f"Argo CD went on to {other or 'another revision'}; {run.commit[:10]} {came} before, and nobody saw it healthy."
        return Progress(RunState.LOST, problem=problem)
    if run.is_cancelled and mode in {"auto", "already"}:
        return Progress(RunState.ENDED, outcome="cancelled", text="It is no longer waited for.")
    text = "The sync was accepted and has not begun."
    if mode == "auto":
        text = (
            f"{_application(run)} syncs by itself to {app.follows}; {run.commit[:10]} is waited for. A roll-back made in "
            "Argo CD would be undone: roll back here, which goes through Git."
        )
    return _unless_late(run, app, [], text)


def _unless_late(run: Run, app: Application, steps: list[StepProgress], text: str) -> Progress:
    """Still running, or too late: failed where nothing goes on, unknown where an operation still does."""
    limit = _limit(run)
    if not run.is_late(now(), limit):
        return Progress(RunState.RUNNING, tuple(steps), text=text, resources=_resources(run, app))
    if app.is_ours or run.external.get("mode") == "sync" or (app.is_beyond and app.is_busy):
        problem = f"Argo CD did not end the sync of {_application(run)} in {minutes(limit)}, and it may still go on."
        return Progress(RunState.LOST, tuple(steps), problem=problem)
    problem = (
        f"{_application(run)} did not come to {run.commit[:10]} in {minutes(limit)}. It follows {app.follows}; "
        f"its last operation was for {app.words(app.revision)[:10] or 'no revision'}. "
        f"{app.words(app.operation.get('message'))}"
    ).rstrip()
    return Progress(RunState.ENDED, tuple(steps), "failed", problem=problem)


def _health_progress(run: Run, app: Application, before: list[StepProgress]) -> Progress:
    """At our commit: healthy, not yet, or not in time."""
    resources = _resources(run, app)
    began = moment(app.operation.get("finishedAt")) if before else None
    if app.health == "Healthy" and _is_fresh(app):
        done = StepProgress(StepState.ENDED, HEALTHY, "wait until healthy", reason="reported", exit_code=0, began=began)
        return Progress(RunState.ENDED, (*before, done), "succeeded", _words_of_success(run, app), resources=resources)
    if run.is_cancelled:
        stop = StepProgress(StepState.ENDED, HEALTHY, "wait until healthy", reason="cancelled", began=began)
        return Progress(RunState.ENDED, (*before, stop), "cancelled", resources=resources)
    since = str(run.external.get("degraded_since") or "") if app.health == "Degraded" else ""
    if app.health == "Degraded" and not since:
        since = now().isoformat()
    limit = _limit(run)
    problem = ""
    if run.is_late(now(), limit):
        problem = f"{_application(run)} did not become healthy in {minutes(limit)}."
    elif since and (now() - (moment(since) or now())).total_seconds() > DEGRADED_FOR:
        problem = f"{_application(run)} is degraded."
    waiting = StepProgress(StepState.RUNNING, HEALTHY, "wait until healthy", began=began)
    if not problem:
        text = f"{_application(run)} is {app.words(app.health).lower()} at {app.at}."
        external = {"degraded_since": since}
        return Progress(RunState.RUNNING, (*before, waiting), text=text, external=external, resources=resources)
    problem = f"{problem} {_unhealthy(resources)}{app.at} is applied."
    failed = StepProgress(
        StepState.ENDED, HEALTHY, "wait until healthy", reason="reported", exit_code=1, problem=problem, began=began
    )
    return Progress(RunState.ENDED, (*before, failed), "failed", problem=problem, resources=resources)


def _is_fresh(app: Application) -> bool:
    """Whether the health was judged after the operation had ended: before that it is the health of what was there."""
    ended, judged = moment(app.operation.get("finishedAt")), moment(app.status.get("reconciledAt"))
    return not (app.is_ours or app.is_beyond) or ended is None or (judged is not None and judged >= ended)


def _words_of_success(run: Run, app: Application) -> str:
    if run.external.get("mode") == "already":
        return f"{_application(run)} was already at {app.at} and healthy: nothing was sent."
    if app.is_there:
        return f"{_application(run)} is synced to {app.at} and healthy."
    return f"{_application(run)} is healthy at {run.commit[:10]}; Argo CD shows it out of sync with {app.follows}."


def _unhealthy(resources: tuple[ResourceState, ...]) -> str:
    found = [one for one in resources if one.health not in {"healthy", "unknown"}]
    named = [f"{one.kind} {one.name} ({one.message or one.health})" for one in found]
    return f"Not healthy: {joined(named)}. " if named else ""


def _sync_step(run: Run, app: Application) -> StepProgress:
    link = f"{run.outside.url if run.outside else ''}/applications/{quote(_application(run), safe='')}"
    if namespace := str(run.options.get("applicationNamespace") or ""):
        link = link.replace("/applications/", f"/applications/{quote(namespace, safe='')}/")
    began, ended = moment(app.operation.get("startedAt")), moment(app.operation.get("finishedAt"))
    if app.is_busy:
        return StepProgress(StepState.RUNNING, SYNC, "sync", link, began=began)
    good = app.phase == "Succeeded"
    return StepProgress(
        StepState.ENDED,
        SYNC,
        "sync",
        link,
        reason="cancelled" if run.is_cancelled and not good else "reported",
        exit_code=0 if good else 1,
        problem=app.words(app.operation.get("message")),
        began=began,
        ended=ended,
        output_bytes=len(_log(app, SYNC)),
    )


def _hook_steps(run: Run, app: Application) -> list[StepProgress]:
    """One step for all hooks, where there are any."""
    hooks = [one for one in app.results if one.get("hookType")]
    if not hooks:
        return []
    bad = [one for one in hooks if str(one.get("hookPhase")) in {"Failed", "Error"}]
    if bad:
        named = joined(f"{app.words(one.get('name'))}: {app.words(one.get('message'))}" for one in bad)
        return [StepProgress(StepState.ENDED, HOOKS, "hooks", reason="reported", exit_code=1, problem=named)]
    if all(one.get("hookPhase") == "Succeeded" for one in hooks):
        return [StepProgress(StepState.ENDED, HOOKS, "hooks", reason="reported", exit_code=0)]
    if app.is_busy:
        return [StepProgress(StepState.RUNNING, HOOKS, "hooks")]
    why = "cancelled" if run.is_cancelled else "reported"
    return [StepProgress(StepState.ENDED, HOOKS, "hooks", reason=why, exit_code=1, problem="they did not end")]


def _log(app: Application, key: str) -> bytes:
    """What was done with each resource; only once the operation is over, for until then the lines change."""
    if key != SYNC or app.is_busy or not app.is_ours:
        return b""
    lines = [
        f"{app.words(one.get('kind'))} {app.words(one.get('namespace'))}/{app.words(one.get('name'))}: "
        f"{app.words(one.get('hookPhase') or one.get('status'))} {app.words(one.get('message'))}".rstrip()
        for one in app.results
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _resources(run: Run, app: Application) -> tuple[ResourceState, ...]:
    return resources(app, _tree(run))


def _tree(run: Run) -> list[dict[str, Any]]:
    """The resource tree; nothing where it cannot be had, for it only adds words."""
    try:
        with _client(run) as client:
            return listed(mapping(client.read(f"{_path(run)}/resource-tree", params=_where(run)).json()).get("nodes"))
    except Unavailable:
        return []
