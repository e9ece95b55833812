"""From an approved change to the cluster: exactly what was approved, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from apps.changes.models import Rendering
from apps.deployments import queries, services
from apps.deployments.models import Attempt, Deployment
from tests.support.clusters import terminated
from tests.support.delivery import Delivery, run_jobs
from tests.support.dispatching import TOKEN
from tests.support.kube import Kube, kube
from tests.support.outside import delivery_via, step_engine, until
from tests.support.tools import toolbox


@pytest.fixture
def there() -> Iterator[Kube]:
    with kube() as found:
        yield found


POLICY = """\
apiVersion: portal/v1
environments:
  staging:
    targets: {web: {kind: manifests, path: k8s}}
    deploy: {via: kubernetes, connection: corp, target: web, namespace: web, prune: true}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter-the-second}\n"


MANIFESTS = {
    "k8s/one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: '1'}\n",
    "k8s/s.yaml": SECRET,
}


def cluster_delivery(
    tmp_path: Path, there: Kube, policy: str = POLICY, files: Mapping[str, str] = MANIFESTS
) -> Delivery:
    delivery = Delivery.start(tmp_path, policy, files)
    values = {"token": TOKEN}
    erin = delivery.people.erin
    corp = services.create_connection(erin, name="corp", kind="kubernetes", url=there.url, values=values)
    services.allow_connection(erin, connection=corp, repository=delivery.repository, environments=[])
    return delivery


def merged(delivery: Delivery, name: str, files: Mapping[str, str]) -> Deployment:
    """A change whose effect was rendered before bob approved it."""
    change = delivery.proposed(name, files)
    run_jobs()
    delivery.approve(change)
    change.refresh_from_db()
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    return delivery.deployment(change)


def two(name: str = "two") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: '1'}}\n"


@pytest.mark.django_db
def test_what_was_approved_is_applied_and_what_left_git_is_pruned(tmp_path: Path, there: Kube) -> None:
    delivery = cluster_delivery(tmp_path, there)
    row = until(merged(delivery, "first", {"k8s/two.yaml": two()}), "succeeded", "failed")
    assert row.status == "succeeded", row.problem
    assert {name for plural, _, name in there.objects if plural in {"configmaps", "secrets"}} == {"one", "two", "s"}
    assert there.objects["secrets", "web", "s"]["stringData"] == {"password": "hunter-the-second"}
    attempt = Attempt.objects.get(deployment=row)
    assert attempt.sealed_rendering == ""
    stored = json.dumps([attempt.external_run, attempt.resources, [event.text for event in queries.events(row)]])
    assert "hunter" not in stored
    row = until(merged(delivery, "second", {"k8s/two.yaml": two("three")}), "succeeded", "failed")
    assert row.status == "succeeded", row.problem
    assert {name for plural, _, name in there.objects if plural == "configmaps"} == {"one", "three"}
    assert [step.name for step in queries.steps_of(row)] == ["check", "apply", "prune", "wait until healthy"]


SIZED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {size: '%s'}\n"
HELM = "{kind: helm, chart: chart, release: web, values: [env/staging.yaml]}"
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": "size: 1\nextra: true\n",
    "chart/templates/one.yaml": SIZED % "{{ .Values.size }}",
    "chart/templates/two.yaml": f"{{{{ if .Values.extra }}}}\n{two()}{{{{ end }}}}\n",
    "env/staging.yaml": "size: 2\n",
}
VALUES = ({"env/staging.yaml": "size: 3\n"}, {"env/staging.yaml": "size: 5\nextra: false\n"})
KUSTOMIZE = "{kind: kustomize, path: env}"
OVERLAY = "resources: [../base/one%s]\npatches: [{path: size.yaml}]\n"
LAYERS = {
    "base/one/kustomization.yaml": "resources: [one.yaml]\n",
    "base/one/one.yaml": SIZED % "1",
    "base/two/kustomization.yaml": "resources: [two.yaml]\n",
    "base/two/two.yaml": two(),
    "env/kustomization.yaml": OVERLAY % ", ../base/two",
    "env/size.yaml": SIZED % "2",
}
PATCHES = ({"env/size.yaml": SIZED % "3"}, {"env/size.yaml": SIZED % "5", "env/kustomization.yaml": OVERLAY % ""})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tool", "target", "files", "changes"),
    [("helm", HELM, CHART, VALUES), ("kubectl", KUSTOMIZE, LAYERS, PATCHES)],
    ids=["helm", "kustomize"],
)
def test_what_helm_and_kustomize_render_is_applied_as_it_was_approved(
    tmp_path: Path, there: Kube, tool: str, target: str, files: dict[str, str], changes: tuple[dict[str, str], ...]
) -> None:
    toolbox(tool)
    policy = POLICY.replace("{kind: manifests, path: k8s}", target)
    delivery = cluster_delivery(tmp_path, there, policy, files)
    for number, size, names in ((0, "3", {"one", "two"}), (1, "5", {"one"})):
        row = until(merged(delivery, f"change-{number}", changes[number]), "succeeded", "failed")
        assert row.status == "succeeded", row.problem
        assert there.objects["configmaps", "web", "one"]["data"] == {"size": size}
        assert {name for plural, _, name in there.objects if plural == "configmaps"} == names


@pytest.mark.django_db
def test_a_rendering_that_is_not_the_approved_one_is_refused(tmp_path: Path, there: Kube) -> None:
    delivery = cluster_delivery(tmp_path, there)
    row = merged(delivery, "first", {"k8s/two.yaml": two()})
    Rendering.objects.update(digest="0" * 64)
    row = until(row, "failed")
    assert "rendered otherwise now than it was approved" in row.problem
    assert there.changes() == []
    assert Attempt.objects.get(deployment=row).sealed_rendering == ""


@pytest.mark.django_db
def test_a_worker_that_dies_goes_on_with_the_same_bytes(tmp_path: Path, there: Kube) -> None:
    delivery = cluster_delivery(tmp_path, there)
    row = merged(delivery, "first", {"k8s/two.yaml": two()})
    there.drop = "PATCH"
    row = until(row, "succeeded", "failed")
    assert row.status == "succeeded", row.problem
    assert {name for plural, _, name in there.objects if plural == "configmaps"} == {"one", "two"}


@pytest.mark.django_db
def test_a_job_runs_once_and_its_log_is_kept(tmp_path: Path, there: Kube) -> None:
    deploy = "via: kubernetes, connection: corp, namespace: web, job: {image: 'tool:1', command: [./deploy]}"
    delivery = delivery_via(tmp_path, deploy, kind="kubernetes", url=there.url, values={"token": TOKEN})
    there.drop = "POST"
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    [(_, _, name)] = [key for key in there.objects if key[0] == "jobs"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p1", "labels": {"job-name": name}}}
    there.answer("POST", "/api/v1/namespaces/web/pods", {}, pod, "")
    there.logs["p1"] = f"deployed with {TOKEN}\n".encode()
    there.status("pods", "p1", terminated(0))
    there.status("jobs", name, {"conditions": [{"type": "Complete", "status": "True"}]})
    row = until(row, "succeeded")
    assert "deployed with •••• masked" in [event.text for event in queries.events(row)]
    assert len([path for path in there.changes() if path.startswith("POST")]) == 1
