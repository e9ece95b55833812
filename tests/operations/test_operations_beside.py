"""A process without a server answers probes beside its work: engine, sweeper and Celery worker, as real processes."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import httpx
import pytest
import redis

from apps.deployments import services
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until
from tests.support.redis_server import own_redis
from tests.support.server import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
TOKEN = "a-token-for-scrapes"


def asked(port: int, path: str, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=10)


def variables(port: int) -> dict[str, str]:
    return {"PORTAL_PROBE_PORT": str(port), "PORTAL_METRICS": "true", "PORTAL_METRICS_TOKEN": TOKEN}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def assert_it_answers(port: int, parts: set[str]) -> None:
    wait_until(lambda: listens(port))
    assert (asked(port, "/healthz").status_code, asked(port, "/healthz").text) == (200, "ok\n")
    ready = asked(port, "/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert set(ready.json()["parts"]) == parts
    assert asked(port, "/metrics").status_code == 401
    assert 'portal_job_due{job="deployments.start"}' in asked(port, "/metrics", TOKEN).text
    assert asked(port, "/queue/").status_code == 404, "there is no portal behind this port"


def test_an_engine_answers_probes_while_it_works(tmp_path: Path) -> None:
    port = free_port()
    with Process(tmp_path, "manage.py", "run_engine", ready="Engine runs", **variables(port)) as engine:
        assert_it_answers(port, {"database", "migrations", "git", "data"})
        assert engine.stop() == 0
    assert not listens(port)


def test_a_port_that_is_taken_is_said_and_stops_no_work(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true"))
    services.merge_change(delivery.people.alice, change=delivery.approved())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = variables(int(taken.getsockname()[1]))
        with Process(tmp_path, "manage.py", "run_engine", ready="Engine runs", **given) as engine:
            wait_until(lambda: "probes_not_served" in engine.log.read_text())
            done = Deployment.objects.filter(environment__name="staging", status="succeeded")
            wait_until(done.exists, 40)


@pytest.mark.redis
def test_worker_and_sweeper_answer_probes_and_say_when_redis_is_away(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    prefix = f"test-{uuid.uuid4().hex}-"
    celery = ("-m", "celery", "-A", "gitops_portal", "worker", "--pool=threads", "--concurrency=2", "-l", "INFO")
    queues = ("-Q", f"{prefix}short,{prefix}slow")
    parts = {"database", "migrations", "git", "data", "cache"}
    with own_redis(tmp_path) as url:
        given = {"REDIS_URL": url, "PORTAL_ENGINE": "celery", "PORTAL_QUEUE_PREFIX": prefix}
        sweeper = ("manage.py", "run_engine", "--send-to-celery")
        with (
            Process(tmp_path, *celery, *queues, ready=" ready.", **given, **variables(ports[0])),
            Process(tmp_path, *sweeper, ready="Engine runs", **given, **variables(ports[1])),
        ):
            for port in ports:
                assert_it_answers(port, parts)

            redis.Redis.from_url(url).shutdown(nosave=True)
            for port in ports:
                wait_until(lambda port=port: asked(port, "/readyz").json()["parts"].get("cache") == "away")
                assert asked(port, "/readyz").status_code == 200
