"""Flux is told to look, once, and believed only when it names our commit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments import queries, services
from apps.deployments.dispatchers import InDoubt, NotSent, Refused, Run, RunState, flux_inventory
from apps.deployments.dispatchers.flux import FluxDispatcher, commit_in, token_of
from tests.support.dispatching import COMMIT, KEY, TOKEN, look, older, run_for, sent
from tests.support.git import GitRepo
from tests.support.kube import Kube, kube
from tests.support.outside import delivery_via, step_engine, until

FLUX = FluxDispatcher()
OTHER = "d" * 40
REQUEST = "reconcile.fluxcd.io/requestedAt"
KINDS = {
    "kustomize.toolkit.fluxcd.io/v1": {"Kustomization": ("kustomizations", True)},
    "helm.toolkit.fluxcd.io/v2": {"HelmRelease": ("helmreleases", True)},
    "source.toolkit.fluxcd.io/v1": {
        "GitRepository": ("gitrepositories", True),
        "HelmRepository": ("helmrepositories", True),
        "HelmChart": ("helmcharts", True),
    },
}


class Flux:
    """What a test plays of Flux: a source, and a Kustomization (or a HelmRelease with its chart) of it."""

    def __init__(self, cluster: Kube) -> None:
        self.cluster, self.url = cluster, cluster.url
        cluster.kinds |= KINDS
        self.put("gitrepositories", "infra", {"url": "https://git.example.org/infra"})
        self.put("kustomizations", "all-apps", {"sourceRef": {"kind": "GitRepository", "name": "infra"}})
        chart = {"chart": "./chart", "sourceRef": {"kind": "GitRepository", "name": "infra"}}
        chart["reconcileStrategy"] = "Revision"
        self.put("helmreleases", "shop", {"chart": {"spec": chart}})
        self.put("helmcharts", "flux-shop", {})
        self.of("helmreleases", "shop")["status"] = {"helmChart": "flux-system/flux-shop"}
        self.fetch(OTHER)

    def put(self, plural: str, name: str, spec: dict[str, Any]) -> None:
        metadata = {"name": name, "namespace": "flux-system", "generation": 1, "uid": name}
        self.cluster.objects[plural, "flux-system", name] = {"metadata": metadata, "spec": spec, "status": {}}

    def of(self, plural: str, name: str) -> dict[str, Any]:
        return self.cluster.objects[plural, "flux-system", name]

    @property
    def kustomization(self) -> dict[str, Any]:
        return self.of("kustomizations", "all-apps")

    def asked(self, plural: str = "kustomizations", name: str = "all-apps") -> str:
        return str(self.of(plural, name)["metadata"].get("annotations", {}).get(REQUEST, ""))

    def fetch(self, commit: str) -> None:
        self.of("gitrepositories", "infra")["status"] = {"artifact": {"revision": f"main@sha1:{commit}"}}

    def reconcile(self, applied: str = "", attempted: str = "", ready: str = "True", **more: Any) -> None:
        """What the controller writes after it acted on the request."""
        condition = {
            "type": "Ready",
            "status": ready,
            "reason": more.pop("reason", "X"),
            "message": more.pop("message", "said so"),
        }
        self.kustomization["status"] = {
            "observedGeneration": self.kustomization["metadata"]["generation"],
            "lastHandledReconcileAt": self.asked(),
            "lastAppliedRevision": f"main@sha1:{applied or OTHER}",
            "lastAttemptedRevision": f"main@sha1:{attempted or applied or OTHER}",
            "conditions": [condition],
            **more,
        }


@pytest.fixture
def there() -> Iterator[Flux]:
    with kube() as found:
        yield Flux(found)


def run_at(there: Flux, **options: Any) -> Run:
    kind = {} if "helmRelease" in options else {"kustomization": "all-apps"}
    return run_for("flux", there.url, {**kind, **options})


def begun(there: Flux, **options: Any) -> Run:
    run, progress = look(FLUX, run_at(there, **options))
    assert progress.state == RunState.RUNNING, progress
    return run


def test_source_and_object_are_asked_by_annotation_and_the_commit_is_waited_for(there: Flux) -> None:
    run, progress = look(FLUX, run_at(there))
    assert there.asked() == there.asked("gitrepositories", "infra") == token_of(run) == f"gitops-portal-{KEY[:40]}"
    assert progress.text == f"The source is to fetch {COMMIT[:10]}."
    there.fetch(COMMIT)
    there.reconcile(OTHER, COMMIT, "Unknown", message="building")
    run, progress = look(FLUX, run)
    assert [(step.name, step.state) for step in progress.steps] == [
        ("fetch", "ended"),
        ("apply", "running"),
        ("wait until ready", "waiting"),
    ]
    there.reconcile(COMMIT)
    _, progress = look(FLUX, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "succeeded")
    assert progress.text == f"Kustomization flux-system/all-apps is ready at {COMMIT[:10]}."


def test_what_flux_made_is_shown_with_its_health(there: Flux) -> None:
    run = begun(there)
    there.fetch(COMMIT)
    deployment = {
        "metadata": {"name": "web", "generation": 1, "uid": "u"},
        "spec": {"replicas": 1},
        "apiVersion": "apps/v1",
        "kind": "Deployment",
    }
    there.cluster.objects["deployments", "web", "web"] = deployment
    entries = [
        {"id": "web_web_apps_Deployment", "v": "v1"},
        {"id": "_system__x_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
        {"id": "odd"},
    ]
    there.reconcile(COMMIT, inventory={"entries": entries})
    _, progress = look(FLUX, run)
    assert [(one.kind, one.name, one.health) for one in progress.resources] == [
        ("Deployment", "web", "progressing"),
        ("ClusterRole", "system:x", "missing"),
        ("odd", "", "unknown"),
    ]


def test_of_a_long_list_what_has_a_state_is_looked_at_and_of_the_rest_it_is_said(
    there: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flux_inventory, "MOST_READ", 2)
    run = begun(there)
    there.fetch(COMMIT)
    names = ("web", "api", "ui")
    for name in names[:2]:
        there.cluster.objects["deployments", "web", name] = {
            "metadata": {"name": name, "generation": 1, "uid": name}, "spec": {"replicas": 0},
            "apiVersion": "apps/v1", "kind": "Deployment", "status": {"observedGeneration": 1},
        }  # fmt: skip
    ids = ["web_a__ConfigMap", "web_b__Secret", *(f"web_{name}_apps_Deployment" for name in names)]
    there.reconcile(COMMIT, inventory={"entries": [{"id": one, "v": "v1"} for one in ids]})
    _, progress = look(FLUX, run)
    assert [(one.name, one.health) for one in progress.resources] == [
        ("a", "healthy"),
        ("b", "healthy"),
        ("web", "healthy"),
        ("api", "healthy"),
        ("ui", "unknown"),
    ]
    assert "are looked at" in progress.resources[-1].message
    told = FLUX.find_health(run)
    assert told.word == "unknown"
    assert "Deployment web/ui (only" in told.why


@pytest.mark.parametrize(
    "state",
    [
        {"applied": OTHER},
        {"applied": OTHER, "attempted": COMMIT},
        {"applied": COMMIT, "ready": "False"},
        {"applied": COMMIT, "ready": "Unknown"},
        {"applied": COMMIT, "ready": "Yes"},
        {"applied": COMMIT, "observedGeneration": 0},
        {"applied": COMMIT, "lastHandledReconcileAt": "2026-01-01T00:00:00Z"},
        {"applied": COMMIT, "lastAppliedRevision": f"main/{COMMIT}"},
        {"applied": COMMIT, "lastAppliedRevision": COMMIT[:39]},
        {"applied": COMMIT, "lastAppliedRevision": f"main@sha1:{COMMIT}0"},
        {"applied": COMMIT, "lastAppliedRevision": ["x"]},
        {"applied": COMMIT, "conditions": "fine"},
        {"applied": COMMIT, "conditions": []},
    ],
)
def test_anything_less_than_ready_at_our_commit_is_no_success(there: Flux, state: dict[str, Any]) -> None:
    run = begun(there)
    there.fetch(COMMIT)
    there.reconcile(**state)
    assert look(FLUX, run)[1].state == RunState.RUNNING


def test_a_later_commit_that_contains_ours_counts_and_is_named(there: Flux, tmp_path: Path) -> None:
    work = GitRepo.create(tmp_path / "work")
    ours = work.commit(files={"a": "1"})
    later = work.commit(files={"a": "2"})
    run = replace(run_at(there), git_dir=work.git_dir, commit=ours)
    run, _ = look(FLUX, run)
    there.fetch(later)
    there.reconcile(later)
    _, progress = look(FLUX, run)
    assert progress.outcome == "succeeded"
    assert progress.text.endswith(f"is ready at {later[:10]}, a later commit that contains {ours[:10]}.")
    earlier = replace(run, commit=later)
    there.fetch(ours)
    there.reconcile(ours)
    assert look(FLUX, earlier)[1].state == RunState.RUNNING


def test_a_failed_health_check_of_our_commit_fails_with_its_message(there: Flux) -> None:
    run = begun(there)
    there.fetch(COMMIT)
    there.reconcile(
        OTHER,
        COMMIT,
        "False",
        reason="HealthCheckFailed",
        message=f"timeout waiting for: [Deployment/web] {TOKEN}\n\x1b[0m",
    )
    _, progress = look(FLUX, run)
    assert progress.outcome == "failed"
    assert (
        progress.problem
        == f"Kustomization flux-system/all-apps failed at {COMMIT[:10]}: timeout waiting for: [Deployment/web] •••• [0m"
    )


def test_the_failure_of_another_revision_changes_nothing(there: Flux) -> None:
    run = begun(there)
    there.reconcile(OTHER, OTHER, "False", reason="HealthCheckFailed")
    assert look(FLUX, run)[1].state == RunState.RUNNING


def test_a_source_that_never_has_the_commit_fails_in_time(there: Flux) -> None:
    run = begun(there, timeout=300)
    _, progress = look(FLUX, older(run, 301))
    assert progress.outcome == "failed"
    assert "did not come to cccccccccc in 5 minutes; it has dddddddddd" in progress.problem


def test_not_ready_in_time_fails_and_says_what_is_applied(there: Flux) -> None:
    run = begun(there, timeout=300)
    there.fetch(COMMIT)
    there.reconcile(COMMIT, ready="False", message="dependency not ready")
    _, progress = look(FLUX, older(run, 301))
    assert (
        progress.problem
        == f"Kustomization flux-system/all-apps did not become ready in 5 minutes; {COMMIT[:10]} is applied. dependency not ready"
    )


@pytest.mark.parametrize(("plural", "name"), [("kustomizations", "all-apps"), ("gitrepositories", "infra")])
def test_one_that_is_suspended_is_refused_before_anything_is_asked(there: Flux, plural: str, name: str) -> None:
    there.of(plural, name)["spec"]["suspend"] = True
    with pytest.raises(Refused, match="is suspended"):
        FLUX.dispatch(run_at(there))
    assert there.cluster.changes() == []


def test_one_that_is_suspended_meanwhile_fails_with_words(there: Flux) -> None:
    run = begun(there)
    there.kustomization["spec"]["suspend"] = True
    assert "was suspended" in look(FLUX, run)[1].problem


def test_cancelling_waits_no_longer_and_says_what_cancelling_cannot_do(there: Flux) -> None:
    run = replace(begun(there), is_cancelled=True)
    before = there.cluster.changes()
    _, progress = look(FLUX, run)
    assert progress.outcome == "cancelled"
    assert "may still apply" in progress.text
    assert there.cluster.changes() == before


def test_a_lost_answer_is_asked_for_again_with_the_same_annotation(there: Flux) -> None:
    there.cluster.drop = "PATCH"
    run = sent(run_at(there))
    with pytest.raises(InDoubt):
        FLUX.dispatch(run)
    first = there.asked("gitrepositories", "infra")
    run, progress = look(FLUX, run)
    assert progress.state == RunState.RUNNING
    assert first == there.asked("gitrepositories", "infra") == there.asked()


def test_a_receiver_is_used_for_the_source_when_the_connection_has_one(there: Flux) -> None:
    path = "/api/v1/namespaces/flux-system/services/http:webhook-receiver:80/proxy/hook/abc"
    run = run_for("flux", there.url, {"kustomization": "all-apps"}, credentials={"receiver": path})
    FLUX.dispatch(run)
    assert ("POST", path) in there.cluster.requests
    assert there.asked() == token_of(run)
    assert there.asked("gitrepositories", "infra") == ""


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Refused), (403, Refused), (404, Refused), (409, Refused), (429, NotSent), (500, InDoubt), (503, InDoubt)],
)
def test_what_an_answer_lets_us_conclude(there: Flux, status: int, kind: type[Unavailable]) -> None:
    there.cluster.answers["PATCH gitrepositories"] = [status]
    with pytest.raises(kind) as caught:
        FLUX.dispatch(run_at(there))
    assert type(caught.value) is kind
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Refused), (403, Refused), (404, Refused), (429, NotSent), (500, NotSent)]
)
def test_a_look_that_fails_asked_for_nothing(there: Flux, status: int, kind: type[Unavailable]) -> None:
    there.cluster.answers["GET kustomizations"] = [status]
    with pytest.raises(kind):
        FLUX.dispatch(run_at(there))
    assert there.cluster.changes() == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_no_answer_while_it_is_waited_for_is_asked_again(there: Flux, status: int) -> None:
    run = begun(there)
    there.cluster.answers["GET kustomizations"] = [status]
    with pytest.raises(Unavailable) as caught:
        FLUX.observe(run)
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("name", ["../x", "a/b", "a?b=c", "%2e%2e"])
def test_a_hostile_name_stays_one_part_of_the_path(there: Flux, name: str) -> None:
    with pytest.raises(Refused):
        FLUX.dispatch(run_at(there, kustomization=name))
    assert all(path.count("/") <= 7 for _, path in there.cluster.requests)


@pytest.mark.parametrize(
    ("text", "commit"),
    [
        (f"main@sha1:{COMMIT}", COMMIT),
        (f"feature/a@b@sha1:{COMMIT}", COMMIT),
        (f"sha1:{COMMIT}", COMMIT),
        (f"main/{COMMIT}", ""),
        ("1.2.3", ""),
        (None, ""),
    ],
)
def test_only_a_whole_revision_of_git_names_a_commit(text: Any, commit: str) -> None:
    assert commit_in(text) == commit


@pytest.mark.django_db
def test_a_merged_change_is_told_to_flux_and_its_story_is_told(tmp_path: Path, there: Flux) -> None:
    delivery = delivery_via(
        tmp_path,
        "via: flux, connection: corp, kustomization: all-apps",
        kind="flux",
        url=there.url,
        values={"token": TOKEN},
    )
    there.cluster.drop = "PATCH"
    row = until(delivery.deployment(delivery.merged()), "running")
    for _ in range(3):
        step_engine()
    there.fetch(row.commit)
    there.reconcile(row.commit)
    row = until(row, "succeeded")
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("fetch", "succeeded"),
        ("apply", "succeeded"),
        ("wait until ready", "succeeded"),
    ]
    row.environment.refresh_from_db()
    assert row.environment.live_commit == row.commit


@pytest.mark.django_db
def test_a_cancelled_change_says_that_git_still_has_it(tmp_path: Path, there: Flux) -> None:
    delivery = delivery_via(
        tmp_path,
        "via: flux, connection: corp, kustomization: all-apps",
        kind="flux",
        url=there.url,
        values={"token": TOKEN},
    )
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    row = until(row, "cancelled")
    assert "Stopped in the middle: fetch" in [event.text for event in queries.events(row)][-1]
