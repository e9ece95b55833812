"""The image's recipe and the chart: rendered by the real helm, checked against the schemas of Kubernetes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.tools import checkers, toolbox

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
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
    "small, on a claim that exists": {
        "data": {"existingClaim": "nfs"},
        "web": {"replicas": 1},
        "worker": {"replicas": 1},
        "podDisruptionBudget": {"enabled": False},
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
    given = {"worker": {"stepsWaitSeconds": 300}, "env": {"PORTAL_PLAN_SECONDS": "1200"}}
    assert pods(rendered(given, tmp_path))["portal-worker"]["terminationGracePeriodSeconds"] == 300 + 1200 + 60


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


# ------------------------------------------------------------------------------------------ the image's recipe


def instructions() -> list[tuple[str, str]]:
    """Name and rest of every instruction, continued lines joined, comments left out."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())
    ]


def test_the_recipe_has_only_known_instructions_and_begins_with_a_base():
    known = {
        "ARG",
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    names = [name for name, _ in instructions()]
    assert set(names) <= known
    assert names[:2] == ["ARG", "FROM"]
    for name, rest in instructions():
        if name == "CMD":
            assert json.loads(rest)[0] == "uvicorn"


def test_everything_that_is_copied_exists_or_is_made_by_the_stage_before():
    for name, rest in instructions():
        words = rest.split()
        if name != "COPY" or words[0].startswith("--from"):
            continue
        for source in words[:-1]:
            tracked = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True)
            assert tracked.stdout, f"{source} is not in the repository"


def test_the_image_runs_as_nobody_special_and_carries_no_secret():
    written = instructions()
    assert [rest for name, rest in written if name == "USER"] == ["10001:10001"]
    assert [name for name, _ in written].index("USER") < [name for name, _ in written].index("CMD")
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)\S*=", CONTAINERFILE.read_text())
    assert any("--require-hashes" in rest for name, rest in written if name == "RUN")


def pins(path: Path) -> set[str]:
    lines = path.read_text().splitlines()
    return {line.split(";")[0].rstrip(" \\") for line in lines if re.match(r"[A-Za-z0-9._\[\]-]+==", line)}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-traces.txt"])
def test_the_hashes_are_of_the_locked_versions(name: str):
    hashed = ROOT / "deploy" / name
    assert pins(hashed) == pins(ROOT / name), "run `make lock`"
    assert hashed.read_text().count("--hash=sha256:") >= len(pins(hashed))
    assert "://" not in hashed.read_text()
