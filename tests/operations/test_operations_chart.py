"""The chart: rendered by the real helm, checked against the schemas of Kubernetes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.tools import checkers, toolbox

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "everything": {
        "image": {"digest": "sha256:" + "a" * 64, "pullSecrets": ["registry"]},
        "secret": {"keys": {"PORTAL_ENCRYPTION_KEY": "encryption-key", "PORTAL_METRICS_TOKEN": "metrics-token"}},
        "env": {"PORTAL_QUEUE_PREFIX": "blue-", "PORTAL_LOG_LEVEL": "INFO", "PORTAL_GIT_TIMEOUT": 90},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "portal-tls", "annotations": {"a": "b"}},
        "metrics": {"enabled": True, "serviceMonitor": True},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "portal", "operator": "Exists"}],
    },
    "rendering is shut in": {
        "worker": {
            "hostUsers": False,
            "podSecurityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "portal.json"}},
            "securityContext": {"procMount": "Unmasked"},
        },
    },
    "small, on a claim that exists": {
        "data": {"existingClaim": "nfs"},
        "web": {"replicas": 1},
        "worker": {"replicas": 1},
    },
}
VALIDATE = """
import json, sys
import kubernetes_validate as checker
for row in json.load(sys.stdin):
    checker.validate(row, "1.37", strict=True)
"""


def helm(*arguments: str, values: dict[str, Any], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    toolbox("helm")
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [str(ROOT / ".tools" / "helm"), *arguments, str(CHART), "-f", str(file)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def rendered(values: dict[str, Any], tmp_path: Path) -> list[dict[str, Any]]:
    done = helm("template", "portal", values=values, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    return [row for row in yaml.safe_load_all(done.stdout) if row]


def validated(rows: list[dict[str, Any]]) -> str:
    """What the schemas of Kubernetes 1.37 say against them; of resources that are no part of it, nothing."""
    checkers()
    own = [row for row in rows if row["kind"] not in {"ServiceMonitor", "PodMonitor"}]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".tools" / "checks")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", VALIDATE], input=json.dumps(own), env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("case", CASES)
def test_the_chart_renders_what_kubernetes_accepts(case: str, tmp_path: Path):
    rows = rendered(CASES[case], tmp_path)
    assert {"Deployment", "Service", "Job"} <= {row["kind"] for row in rows}
    assert validated(rows) == ""


def test_a_wrong_manifest_would_be_found(tmp_path: Path):
    rows = rendered({}, tmp_path)
    next(row for row in rows if row["kind"] == "Deployment")["spec"]["replica"] = 3
    assert "replica" in validated(rows)


@pytest.mark.parametrize("case", CASES)
def test_helm_lint_has_nothing_to_say(case: str, tmp_path: Path):
    done = helm("lint", "--strict", values=CASES[case], tmp_path=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def pods(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metadata"]["name"]: row["spec"]["template"]["spec"] for row in rows if row["kind"] in {"Deployment", "Job"}}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_pod_is_root_writes_its_root_or_speaks_to_the_cluster(case: str, tmp_path: Path):
    found = pods(rendered(CASES[case], tmp_path))
    assert set(found) == {"portal-web", "portal-worker", "portal-sweeper", "portal-migrate"}
    for pod in found.values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            rules = container["securityContext"]
            assert (rules["readOnlyRootFilesystem"], rules["allowPrivilegeEscalation"]) == (True, False)
            assert rules["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("case", CASES)
def test_secrets_are_named_and_never_carried(case: str, tmp_path: Path):
    rows = rendered(CASES[case], tmp_path)
    assert not [row for row in rows if row["kind"] == "Secret"]
    for pod in pods(rows).values():
        given = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
        assert given["DATABASE_URL_FILE"] == "/run/secrets/portal/database-url"
        assert not {"DATABASE_URL", "REDIS_URL", "PORTAL_SECRET_KEY", "PORTAL_METRICS_TOKEN"} & set(given)


def test_every_long_lived_pod_is_probed_at_the_addresses_that_exist(tmp_path: Path):
    found = pods(rendered({}, tmp_path))
    for name in ("portal-web", "portal-worker", "portal-sweeper"):
        container = found[name]["containers"][0]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["readinessProbe"]["httpGet"]["port"] in {port["name"] for port in container["ports"]}


def test_a_server_has_time_to_drain_before_it_is_killed(tmp_path: Path):
    pod = pods(rendered({"web": {"drainSeconds": 25}}, tmp_path))["portal-web"]
    assert pod["terminationGracePeriodSeconds"] > 25 + 20 + 10  # drain, open requests, the engine


def test_a_worker_has_time_for_the_steps_that_run_in_it(tmp_path: Path):
    pod = pods(rendered({"worker": {"stepsWaitSeconds": 300}}, tmp_path))["portal-worker"]
    given = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    assert given["PORTAL_STEPS_WAIT_SECONDS"] == "300"
    assert pod["terminationGracePeriodSeconds"] == 300 + 600 + 60, "Celery ends a plan first, however long that takes"
    for written, seconds in (("1200", 1200), (1200, 1200), ("1199.5", 1200), ("0600", 600)):
        given = {"worker": {"stepsWaitSeconds": 300}, "env": {"PORTAL_PLAN_SECONDS": written}}
        assert pods(rendered(given, tmp_path))["portal-worker"]["terminationGracePeriodSeconds"] == 360 + seconds


def test_the_worker_listens_to_the_queues_that_the_portal_fills(tmp_path: Path):
    args = pods(rendered(CASES["everything"], tmp_path))["portal-worker"]["containers"][0]["args"]
    assert "blue-short,blue-slow" in args
    assert "--pool=threads" in args


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        ({}, []),
        ({"ingress": {"enabled": True}}, ["1"]),
        ({"ingress": {"enabled": True}, "env": {"PORTAL_TRUSTED_PROXIES": 2}}, ["2"]),
    ],
)
def test_people_behind_the_ingress_are_not_one_address(values: dict[str, Any], counted: list[str], tmp_path: Path):
    env = pods(rendered(values, tmp_path))["portal-web"]["containers"][0]["env"]
    assert [one["value"] for one in env if one["name"] == "PORTAL_TRUSTED_PROXIES"] == counted


def test_each_process_with_numbers_of_its_own_is_scraped_where_it_answers(tmp_path: Path):
    rows = rendered(CASES["everything"], tmp_path)
    monitors = {row["metadata"]["name"]: row["spec"] for row in rows if row["kind"] in {"ServiceMonitor", "PodMonitor"}}
    chosen = monitors["portal-engine"]["selector"]["matchExpressions"][0]["values"]
    assert chosen == ["worker", "sweeper"]
    for name in chosen:
        ports = pods(rows)[f"portal-{name}"]["containers"][0]["ports"]
        assert monitors["portal-engine"]["podMetricsEndpoints"][0]["port"] in {port["name"] for port in ports}


def test_metrics_without_a_token_are_refused(tmp_path: Path):
    done = helm("template", "portal", values={"metrics": {"enabled": True}}, tmp_path=tmp_path)
    assert done.returncode != 0
    assert "PORTAL_METRICS_TOKEN" in done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": "portal.example.org"}, "url"),
        ({"url": "https://portal.example.org/portal"}, "url"),
        ({"worker": {"stepsWaitSeconds": "15m"}}, "stepsWaitSeconds"),
        ({"worker": {"concurrency": 0}}, "concurrency"),
        ({"workers": {"replicas": 3}}, "workers"),
        ({"web": {"replica": 3}}, "replica"),
        ({"env": None}, "env"),
        ({"env": {"PORTAL_METRICS": ["true"]}}, "PORTAL_METRICS"),
        ({"env": {"PORTAL_PLAN_SECONDS": "10m"}}, "PORTAL_PLAN_SECONDS"),
        ({"secret": {"keys": {"DATABASE_URL": ""}}}, "secret.keys.DATABASE_URL is needed"),
        ({"secret": {"keys": {"REDIS_URL": ""}}}, "secret.keys.REDIS_URL is needed"),
        ({"podDisruptionBudget": {"minAvailable": 2}}, "must be below web.replicas"),
    ],
)
def test_values_without_sense_are_refused_with_their_name(values: dict[str, Any], said: str, tmp_path: Path):
    done = helm("template", "portal", values=values, tmp_path=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr
    assert "nil pointer" not in done.stderr


def test_an_address_without_a_secret_may_stand_in_the_environment(tmp_path: Path):
    values = {"secret": {"keys": {"REDIS_URL": ""}}, "env": {"REDIS_URL": "redis://redis:6379/0"}}
    for pod in pods(rendered(values, tmp_path)).values():
        given = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
        assert given["REDIS_URL"] == "redis://redis:6379/0"
        assert "REDIS_URL_FILE" not in given


def test_every_value_of_the_chart_is_in_its_schema_and_the_other_way_round():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def assert_equal(given: dict[str, Any], described: dict[str, Any], where: str) -> None:
        assert described.get("additionalProperties") is False, where
        assert set(given) == set(described["properties"]) - {"global", "hostUsers"}, where
        for name, inner in given.items():
            if described["properties"][name].get("properties") and described["properties"][name].get("required"):
                assert_equal(inner, described["properties"][name], f"{where}.{name}")

    assert_equal(values, schema, "values")


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_single_server_holds_up_no_drain_of_its_node(replicas: int, budgets: int, tmp_path: Path):
    rows = rendered({"web": {"replicas": replicas}}, tmp_path)
    assert len([row for row in rows if row["kind"] == "PodDisruptionBudget"]) == budgets


def test_a_worker_may_be_allowed_what_shutting_in_takes_and_nobody_else_is(tmp_path: Path):
    found = pods(rendered(CASES["rendering is shut in"], tmp_path))
    worker, rules = found["portal-worker"], found["portal-worker"]["containers"][0]["securityContext"]
    assert worker["hostUsers"] is False
    assert worker["securityContext"]["seccompProfile"] == {"type": "Localhost", "localhostProfile": "portal.json"}
    assert (worker["securityContext"]["runAsNonRoot"], rules["procMount"]) == (True, "Unmasked")
    assert (rules["allowPrivilegeEscalation"], rules["capabilities"]) == (False, {"drop": ["ALL"]})
    for name in ("portal-web", "portal-sweeper", "portal-migrate"):
        assert "hostUsers" not in found[name]
        assert found[name]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "procMount" not in found[name]["containers"][0]["securityContext"]


def test_for_a_restore_one_pod_has_the_data_and_the_secrets_and_nothing_else_runs(tmp_path: Path):
    rows = rendered({"maintenance": True}, tmp_path)
    assert validated(rows) == ""
    counts = {row["metadata"]["name"]: row["spec"]["replicas"] for row in rows if row["kind"] == "Deployment"}
    assert counts == {"portal-maintenance": 1, "portal-web": 0, "portal-worker": 0, "portal-sweeper": 0}
    assert not [row for row in rows if row["kind"] in {"Job", "PodDisruptionBudget"}], (
        "a database to be restored may be away"
    )
    pod, worker = pods(rows)["portal-maintenance"], pods(rows)["portal-worker"]
    assert pod["volumes"] == worker["volumes"]
    given = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    assert given["PORTAL_SECRET_KEY_FILE"] == "/run/secrets/portal/secret-key"
    page = (ROOT / "docs" / "operations.md").read_text()
    assert "--set maintenance=true" in page
    assert "kubectl exec -it deploy/portal-maintenance" in page


def test_what_was_backed_up_is_unpacked_without_the_rights_of_its_folder(tmp_path: Path):
    """The volume belongs to somebody else, who alone may change its rights: tar would end in an error."""
    (tmp_path / "backup").mkdir(mode=0o700)
    (tmp_path / "backup" / ".hidden").write_text("kept")
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o770)
    page = (ROOT / "docs" / "operations.md").read_text().splitlines()
    line = next(line for line in page if "tar -C /data" in line)
    here = line.replace("kubectl exec -i deploy/portal-maintenance -- tar -C /data", "tar -C data")
    subprocess.run(["sh", "-c", here], cwd=tmp_path, check=True)
    assert (tmp_path / "data" / ".hidden").read_text() == "kept"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o770
