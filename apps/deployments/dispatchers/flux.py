"""Flux brings a Kustomization or a HelmRelease to the merged commit; the portal tells it to look, and reads what it says.

The request is an annotation whose value is the key of the attempt: set twice it is the same annotation, and Flux repeats it
in ``lastHandledReconcileAt`` once it has acted on it. What counts is only the revision that Flux names: our commit, or one
that is known to contain it. A chart must come from Git and be built anew for each commit, or nothing in the cluster names one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from apps.core.clock import now
from apps.core.errors import PortalError, Unavailable
from apps.deployments.dispatchers import (
    Capabilities,
    InDoubt,
    NotSent,
    Progress,
    Refused,
    ResourceState,
    Run,
    RunState,
    StepProgress,
    StepState,
    flux_drift,
    flux_inventory,
)
from apps.deployments.dispatchers.drift import CannotTell, Found
from apps.deployments.dispatchers.kube_api import (
    MANAGER,
    MERGE_TYPE,
    Answered,
    KubeApi,
    NoSuchKind,
    condition,
    metadata,
    option,
    test,
)
from apps.deployments.dispatchers.kube_health import standing
from apps.deployments.dispatchers.remote import as_ended, mapping, plain
from apps.deployments.dispatchers.standing import Standing
from apps.deployments.dispatchers.words import minutes, said
from apps.vcs.history import is_known_ancestor

__all__ = ["FluxDispatcher", "test"]

DEFAULT_TIMEOUT = 900.0
NAMESPACE = "flux-system"
REQUEST = "reconcile.fluxcd.io/requestedAt"
KUSTOMIZATION = ("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
RELEASE = ("helm.toolkit.fluxcd.io/v2", "HelmRelease")
SOURCES = "source.toolkit.fluxcd.io/v1"
GIT = "GitRepository"
REVISION = "Revision"
SHORT = 12
"""Characters of the commit that Flux writes behind the version of a chart (``1.2.0+0123456789ab``)."""
_REVISION = re.compile(r"(?:.*@)?sha(?:1|256):([0-9a-f]{40,64})")
_FINAL = frozenset({"BuildFailed", "HealthCheckFailed"})
"""Reasons for not being ready that the next try will not change; all others are waited for."""


def commit_in(revision: Any) -> str:
    """The commit in ``main@sha1:…``; empty for anything else, such as the version of a chart."""
    found = _REVISION.fullmatch(str(revision or ""))
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The object, its source, and of a release the chart that was built from it; empty where there is none."""

    run: Run
    body: Mapping[str, Any]
    source: Mapping[str, Any]
    chart: Mapping[str, Any]

    @property
    def status(self) -> dict[str, Any]:
        return mapping(self.body.get("status"))

    @property
    def is_release(self) -> bool:
        return bool(option(self.run, "helmRelease"))

    @property
    def fetched(self) -> str:
        """The commit that the source has."""
        return commit_in(mapping(mapping(self.source.get("status")).get("artifact")).get("revision"))

    @property
    def attempted(self) -> str:
        """The commit that Flux tried last."""
        if not self.is_release:
            return commit_in(self.status.get("lastAttemptedRevision"))
        return self.last_applied if self.is_handled else ""

    @property
    def applied(self) -> str:
        return self.attempted if self.is_release else commit_in(self.status.get("lastAppliedRevision"))

    @property
    def last_applied(self) -> str:
        """The commit that it applied last, whoever asked for that.

        The commit that a chart was looked for in says nothing of what is in it: without ``reconcileStrategy: Revision`` an
        older chart of the same version is kept. With it the version ends in the commit that it was built from.
        """
        if not self.is_release:
            return commit_in(self.status.get("lastAppliedRevision"))
        chart = mapping(self.chart.get("status"))
        built = str(mapping(chart.get("artifact")).get("revision") or "")
        commit = commit_in(chart.get("observedSourceArtifactRevision"))
        is_of_it = bool(commit) and built.partition("+")[2].startswith(commit[:SHORT])
        return commit if is_of_it and built == self.status.get("lastAttemptedRevision") else ""

    @property
    def is_handled(self) -> bool:
        """Whether Flux has acted on our request."""
        return self.status.get("lastHandledReconcileAt") == token_of(self.run)

    @property
    def is_current(self) -> bool:
        """Whether its status is about its specification as it is now."""
        return self.status.get("observedGeneration") == metadata(self.body).get("generation")

    def holds(self, commit: str) -> bool:
        """Whether ``commit`` is ours, or is known to contain it."""
        if not commit or commit == self.run.commit:
            return bool(commit)
        try:
            return is_known_ancestor(self.run.git_dir, self.run.commit, commit)
        except PortalError:
            return False

    def words(self, kind: str) -> str:
        return said(self.run.outside, condition(self.body, kind).get("message"))


class FluxDispatcher:
    """See the module."""

    capabilities = Capabilities(cancel=True, remote=True, resends=True, timeout=DEFAULT_TIMEOUT)

    def prepare(self, run: Run) -> dict[str, Any]:
        return {}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        with KubeApi(run.outside) as api:
            try:
                seen = _seen(run, api)
                _require_usable(seen)
                _ask(run, api, seen)
            except (NoSuchKind, Answered) as problem:
                raise Refused("outside_refused", f"{_title(run)}: {problem}") from problem
            except (NotSent, InDoubt, Refused):
                raise
            except (
                Unavailable
            ) as problem:  # a look that failed: nothing was asked for yet, or it may be asked for again
                raise NotSent(problem.code, problem.message, **problem.details) from problem
        return {"asked": token_of(run)}

    def observe(self, run: Run) -> Progress:
        if not run.is_sent or not run.external.get("asked"):
            return Progress(RunState.NOT_STARTED)
        with KubeApi(run.outside) as api:
            try:
                seen = _seen(run, api)
                resources = flux_inventory.resources(seen.status, api) if seen.holds(seen.applied) else ()
            except (NoSuchKind, Answered) as problem:
                raise Unavailable("outside_refused", f"{_title(run)}: {problem}") from problem
        return _progress(seen, resources)

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        return b""

    def cancel(self, run: Run) -> bool:
        """Flux cannot be stopped in a reconciliation, and what is in Git stays in Git: it is no longer waited for."""
        return run.is_sent

    def discard(self, run: Run) -> None:
        return

    def find_drift(self, run: Run) -> Found:
        with KubeApi(run.outside) as api:
            seen = _seen_by_look(run, api)
        return flux_drift.judge(run, _title(run), seen.body, seen.last_applied)

    def find_health(self, run: Run) -> Standing:
        with KubeApi(run.outside) as api:
            seen = _seen_by_look(run, api)
            return flux_drift.standing(
                run, _title(run), seen.body, flux_inventory.resources(seen.status, api, standing, is_brief=True)
            )


def token_of(run: Run) -> str:
    """The value of the annotation: the same however often it is set."""
    return f"{MANAGER}-{run.key[:40]}"


def title_of(options: Mapping[str, Any]) -> str:
    """What ``deploy`` of portal.yaml names, such as ``Kustomization flux-system/apps``."""
    kind, key = ("HelmRelease", "helmRelease") if options.get("helmRelease") else ("Kustomization", "kustomization")
    return f"{kind} {options.get('namespace') or NAMESPACE}/{options.get(key)}"


def _title(run: Run) -> str:
    return title_of(run.options)


def _name(run: Run) -> str:
    return option(run, "helmRelease") or option(run, "kustomization")


def _namespace(run: Run) -> str:
    return option(run, "namespace") or NAMESPACE


def _seen(run: Run, api: KubeApi) -> Seen:
    kind = RELEASE if option(run, "helmRelease") else KUSTOMIZATION
    body = api.get(api.place(*kind).one(_namespace(run), _name(run)))
    if body is None:
        raise Answered(404, "there is none of that name, or the account of the connection may not see it.")
    if metadata(body).get("name") != _name(run):
        raise Unavailable("bad_answer", f"The cluster answered with something that is not {_title(run)}.")
    source = _read(api, *_source_of(run, body))
    chart = _read(api, "HelmChart", *_chart_of(body)) if kind == RELEASE else {}
    return Seen(run, body, source, chart)


def _seen_by_look(run: Run, api: KubeApi) -> Seen:
    try:
        return _seen(run, api)
    except (NoSuchKind, Answered) as problem:
        raise CannotTell("outside_refused", f"{_title(run)}: {problem}") from problem


def _source_of(run: Run, body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, namespace and name of the source."""
    spec = mapping(body.get("spec"))
    ref = mapping(spec.get("sourceRef") or mapping(mapping(spec.get("chart")).get("spec")).get("sourceRef"))
    return str(ref.get("kind") or ""), str(ref.get("namespace") or _namespace(run)), str(ref.get("name") or "")


def _chart_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Namespace and name of the HelmChart, as the release tells it."""
    namespace, _, name = str(mapping(body.get("status")).get("helmChart") or "").partition("/")
    return namespace, name


def _read(api: KubeApi, kind: str, namespace: str, name: str) -> dict[str, Any]:
    if not (kind and namespace and name):
        return {}
    return api.get(api.place(SOURCES, kind).one(namespace, name)) or {}


def _require_usable(seen: Seen) -> None:
    """:class:`Refused` where Flux would never come to our commit, or could not tell."""
    kind, namespace, name = _source_of(seen.run, seen.body)
    title, spec = _title(seen.run), mapping(seen.body.get("spec"))
    if kind != GIT:
        what = f"a {plain(kind, 40)}" if kind else "no source that the portal can read"
        message = f"{title} has {what}, so nothing in the cluster names a commit. Name a Kustomization that has a GitRepository."
        raise Refused("no_git", message)
    if not seen.source:
        raise Refused("no_source", f"{title}: its {GIT} {plain(f'{namespace}/{name}')} is not there.")
    if seen.is_release and mapping(mapping(spec.get("chart")).get("spec")).get("reconcileStrategy") != REVISION:
        message = (
            f"{title} is upgraded only when the version in Chart.yaml changes, so a commit may never be released. "
            f"Set `spec.chart.spec.reconcileStrategy: {REVISION}` in it."
        )
        raise Refused("not_by_revision", message)
    for body, what in ((seen.body, title), (seen.source, f"{GIT} {plain(f'{namespace}/{name}')}")):
        if mapping(body.get("spec")).get("suspend") is True:
            raise Refused(
                "suspended",
                f"{what} is suspended, so Flux does nothing. Somebody with rights in the cluster resumes it.",
            )


def _ask(run: Run, api: KubeApi, seen: Seen) -> None:
    """First the source, so that the commit is there, then the object."""
    kind, namespace, name = _source_of(run, seen.body)
    receiver = run.outside.credentials.get("receiver", "") if run.outside else ""
    if receiver:
        _tell_receiver(api, receiver)
    else:
        _annotate(run, api, api.place(SOURCES, kind).one(namespace, name))
    which = RELEASE if seen.is_release else KUSTOMIZATION
    _annotate(run, api, api.place(*which).one(_namespace(run), _name(run)))


def _annotate(run: Run, api: KubeApi, path: str) -> None:
    patch = {"metadata": {"annotations": {REQUEST: token_of(run)}}}
    api.change("PATCH", path, params={"fieldManager": MANAGER}, json=patch, headers={"Content-Type": MERGE_TYPE})


def _tell_receiver(api: KubeApi, receiver: str) -> None:
    """The webhook of a Receiver makes the source look; its path, a secret, leads through the API server to the controller."""
    path = "/" + "/".join(quote(part, safe=":") for part in receiver.strip("/").split("/"))
    api.client.change("POST", path, json={})


def _progress(seen: Seen, resources: tuple[ResourceState, ...]) -> Progress:
    run = seen.run
    limit = float(run.options.get("timeout") or DEFAULT_TIMEOUT)
    late = run.is_late(now(), limit)
    has_it = seen.holds(seen.fetched) or seen.holds(seen.attempted)
    is_ready = condition(seen.body, "Ready").get("status") == "True"
    if seen.holds(seen.applied) and is_ready and seen.is_current and seen.is_handled:
        return Progress(RunState.ENDED, _steps(3), "succeeded", _success(seen), resources=resources)
    stage = 0 if not has_it else 1 if not seen.holds(seen.applied) else 2
    if run.is_cancelled:
        text = "It is no longer waited for. Flux may still apply the commit, because it is in Git."
        return Progress(RunState.ENDED, _steps(stage, is_cancelled=True), "cancelled", text, resources=resources)
    problem = _problem(seen, stage, late=late, limit=limit)
    if problem:
        return Progress(RunState.ENDED, _steps(stage, problem), "failed", problem=problem, resources=resources)
    return Progress(RunState.RUNNING, _steps(stage), text=_waits(seen, stage), resources=resources)


def _success(seen: Seen) -> str:
    title = _title(seen.run)
    if seen.applied == seen.run.commit:
        return f"{title} is ready at {seen.applied[:10]}."
    return f"{title} is ready at {seen.applied[:10]}, a later commit that contains {seen.run.commit[:10]}."


def _problem(seen: Seen, stage: int, *, late: bool, limit: float) -> str:
    """Why it will not come about: Flux says so of our commit, somebody suspended it, or the time is up."""
    title, run = _title(seen.run), seen.run
    if mapping(seen.body.get("spec")).get("suspend") is True:
        return f"{title} was suspended. Flux does nothing until somebody with rights in the cluster resumes it."
    stalled = condition(seen.body, "Stalled")
    if stalled.get("status") == "True" and seen.holds(seen.attempted) and seen.is_current and seen.is_handled:
        return f"{title} cannot go on: {seen.words('Stalled') or 'it is stalled'}"
    ready = condition(seen.body, "Ready")
    is_final = ready.get("status") == "False" and str(ready.get("reason")) in _FINAL
    if is_final and seen.holds(seen.attempted) and seen.is_current and seen.is_handled:
        return f"{title} failed at {seen.attempted[:10]}: {seen.words('Ready') or ready['reason']}"
    if not late:
        return ""
    if stage == 0:
        has = f"has {seen.fetched[:10]}" if seen.fetched else "has nothing that the portal can read"
        message = said(run.outside, condition(seen.source, "Ready").get("message"))
        return (
            f"The source of {title} did not come to {run.commit[:10]} in {minutes(limit)}; it {has}. {message}".rstrip()
        )
    done = "applied" if stage == 2 else "tried"
    return (
        f"{title} did not become ready in {minutes(limit)}; {run.commit[:10]} is {done}. {seen.words('Ready')}".rstrip()
    )


def _waits(seen: Seen, stage: int) -> str:
    if stage == 0:
        return f"The source is to fetch {seen.run.commit[:10]}."
    return seen.words("Reconciling") or seen.words("Ready") or "Flux works on it."


def _steps(stage: int, problem: str = "", *, is_cancelled: bool = False) -> tuple[StepProgress, ...]:
    """Fetch, apply, wait until ready; those before ``stage`` are over."""
    found = []
    for number, (key, name) in enumerate((("fetch", "fetch"), ("apply", "apply"), ("ready", "wait until ready"))):
        fields: dict[str, Any] = {"state": StepState.WAITING}
        if number < stage:
            fields = as_ended()
        elif number == stage:
            is_over = bool(problem) or is_cancelled
            fields = as_ended(problem, is_cancelled=is_cancelled) if is_over else {"state": StepState.RUNNING}
        found.append(StepProgress(key=key, name=name, **fields))
    return tuple(found)
