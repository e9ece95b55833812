"""Traces: one from the request that merges to the call of the dispatcher, with nothing in it that is secret."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stories.scenes import Scene
from tests.support.engine_process import wait_until
from tests.support.otlp import Collector, Span, collector
from tests.support.redis_server import own_redis
from tests.support.server import PASSWORD, ROOT, PortalServer

pytestmark = pytest.mark.slow
CANARY = f"canary-{uuid.uuid4().hex}"
PORTAL_YAML = """\
apiVersion: portal/v1
environments:
  staging:
    deploy: {steps: [{name: apply, run: 'echo gets $TOKEN', timeout: 1m}]}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
REQUEST = "the-request-of-alice"
WORKER = (
    "-m",
    "celery",
    "-A",
    "gitops_portal",
    "worker",
    "--pool=threads",
    "--concurrency=2",
    "-Q",
    "portal-short,portal-slow",
)
SWEEPER = ("manage.py", "run_engine", "--send-to-celery")


PEOPLE = """
from tests.support.people import person
for name in ("alice", "bob", "kim", "dave"):
    person(name)
person("carol", can_connect_repositories=True)
"""


@pytest.fixture(scope="module", params=["embedded", pytest.param("celery", marks=pytest.mark.redis)])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, Any]]:
    """A change was merged and deployed by a portal that sends traces; what the collector got, and the merge's answer."""
    base = tmp_path_factory.mktemp("traces")
    with collector() as found, ExitStack() as stack:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": found.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {CANARY}-collector",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=tests",
        }
        if request.param == "celery":
            redis_url = stack.enter_context(own_redis(base))
            database = {"DATABASE_URL": f"sqlite:///{base}/data/portal.sqlite3", "PORTAL_SECRET_KEY": "k" * 50}
            environment |= {"PORTAL_ENGINE": "celery", "REDIS_URL": redis_url, **database}
        server = PortalServer(base / "data", local_dirs=[base], environment=environment).start()
        stack.callback(server.stop)
        is_celery = request.param == "celery"
        if is_celery:
            stack.callback(begin(server, *WORKER).kill)
        with sweeping(server, is_celery):
            scene, number = _approved(server, base)
        # Who sweeps may take work before its wake-up comes, and has no request to tell of: here the wake-ups do it alone.
        merged = _merged(scene, number)
        wait_until(lambda: found.named("local dispatch"))
        with sweeping(server, is_celery):
            scene.deployed(number, "staging", "succeeded")
            yield found, merged
    assert "Traceback" not in server.log.read_text()


def begin(server: PortalServer, *command: str) -> subprocess.Popen[bytes]:
    """Another process of the same portal."""
    with server.log.open("ab") as log:
        return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=server.environment, stdout=log, stderr=log)


@contextmanager
def sweeping(server: PortalServer, is_needed: bool) -> Iterator[None]:
    """With the process that looks for what no wake-up has brought, where the portal does not do so by itself."""
    with ExitStack() as stack:
        if is_needed:
            sweeper = begin(server, *SWEEPER)
            stack.callback(sweeper.wait)
            stack.callback(sweeper.kill)
        yield


def _approved(server: PortalServer, base: Path) -> tuple[Scene, int]:
    server.manage("shell", "-v", "0", "-c", PEOPLE)
    scene = Scene.open((server, base), "infra", {".gitops/portal.yaml": PORTAL_YAML})
    scene.api("carol").until("/environments/", lambda body: "staging" in str(body))
    scene.api("carol").put("/environments/infra/staging/secrets/TOKEN/", {"value": f"{CANARY}-secret"})
    number = scene.propose("two", {"app.txt": "two\n"})
    scene.approve(number)
    return scene, number


def _merged(scene: Scene, number: int) -> Any:
    alice = scene.api("alice").client
    merged = alice.post(f"/changes/{number}/merge/", headers={"X-Request-ID": REQUEST})
    assert merged.status_code == 202, merged.text
    return merged


def merge_of(found: Collector) -> Span:
    (span,) = [
        one
        for one in found.named("POST api:change-merge", "POST change-merge")
        if one.facts["portal.request_id"] == REQUEST
    ]
    return span


def test_one_trace_spans_the_request_its_jobs_git_and_the_dispatcher(told: tuple[Collector, Any]) -> None:
    found, _ = told
    wait_until(lambda: found.named("local dispatch"))
    (dispatch,) = found.named("local dispatch")
    request = merge_of(found)
    wait_until(lambda: request.name in found.above(dispatch))  # a span is sent when it has ended
    above = found.above(dispatch)
    assert above[0] == "deployments.begin"
    assert {"deployments.start", "deployments.carry_out_merges"} <= set(above)
    assert above[-1] == request.name
    assert dispatch.trace == request.trace
    git = [span for span in found.spans if span.trace == request.trace and span.name.startswith("git ")]
    assert {"git push"} <= {span.name for span in git}, {span.name for span in git}


def test_every_span_of_it_has_the_request_id_and_says_what_it_is(told: tuple[Collector, Any]) -> None:
    found, merged = told
    request = merge_of(found)
    mine = [span for span in found.spans if span.trace == request.trace]
    assert merged.headers["X-Request-ID"] == REQUEST
    assert {span.facts["portal.request_id"] for span in mine} == {REQUEST}
    assert {span.service for span in mine} == {"gitops-portal"}
    assert request.facts["http.response.status_code"] == 202
    assert request.facts["http.request.method"] == "POST"
    (dispatch,) = found.named("local dispatch")
    assert dispatch.facts["portal.dispatcher"] == "local"
    assert not dispatch.is_error


def test_nothing_secret_is_in_any_of_them(told: tuple[Collector, Any]) -> None:
    found, merged = told
    token = merged.request.headers["Authorization"].removeprefix("Bearer ")
    assert {headers["authorization"] for headers in found.headers} == {f"Bearer {CANARY}-collector"}
    for body in found.bodies:
        for secret in (CANARY, PASSWORD, token, "sessionid", "/data/", "Two", "example.org"):
            assert secret.encode() not in body, secret


def test_a_caller_that_traces_sees_the_portal_inside_of_its_own_trace(told: tuple[Collector, Any]) -> None:
    found, merged = told
    trace, parent = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    address = str(merged.request.url.copy_with(path="/accounts/login/"))
    assert httpx.get(address, headers={"traceparent": f"00-{trace}-{parent}-01"}).status_code == 200
    wait_until(lambda: [span for span in found.spans if (span.trace, span.parent) == (trace, parent)])


def settings_with(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "gitops_portal.settings",
    }
    code = "from django.conf import settings; print(settings.PORTAL_TRACES)"
    command = [
        sys.executable,
        "-W",
        "ignore",
        *variables.pop("BEFORE", "").split(),
        "-c",
        variables.pop("CODE", "") + code,
    ]
    return subprocess.run(
        command, env={**environment, **variables}, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, "False"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "True"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, "True"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, "False"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, "False"),
    ],
)
def test_traces_are_off_unless_a_collector_is_named(variables: dict[str, str], wanted: str, data_dir: Path) -> None:
    assert settings_with(PORTAL_DATA_DIR=str(data_dir), **variables).stdout.strip() == wanted


def test_a_protocol_that_it_does_not_speak_stops_the_start(data_dir: Path) -> None:
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    done = settings_with(PORTAL_DATA_DIR=str(data_dir), **named)
    assert done.returncode != 0
    assert "http/protobuf" in done.stderr


def test_missing_packages_stop_the_start_and_are_named(data_dir: Path) -> None:
    code = "import sys; sys.modules['opentelemetry.exporter'] = None; "
    done = settings_with(PORTAL_DATA_DIR=str(data_dir), OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318", CODE=code)
    assert done.returncode != 0
    assert "requirements-traces.txt" in done.stderr
