"""Every process of a portal is stopped and started, one after the other, while a deployment runs and people look on.

Nobody misses or doubles an event, no request is refused, and the deployment is carried out once, whatever Redis
forgets meanwhile. Real processes behind a balancer: uvicorn with Celery, and ``scripts/serve.py`` with its own engine.
"""

from __future__ import annotations

import json
import signal
import socket as sockets
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from apps.accounts.services import create_token
from apps.deployments import services
from apps.deployments.models import Attempt, Deployment, DeploymentEvent
from apps.reviews.models import Thread
from tests.support.balancer import Balancer, readiness
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until
from tests.support.onlookers import Viewer, asking, writing
from tests.support.redis_server import own_redis
from tests.support.server import free_port
from tests.support.sockets import cookie_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.redis]
DRAIN_SECONDS = 1.0
STEP = "echo begun >> {place}/begun; i=0; until [ -e {place}/enough ]; do i=$((i+1)); echo line $i; sleep 0.03; done; echo $i > {place}/lines"


@dataclass
class Portal:
    """Web processes by port, workers by name; ``settings`` are the variables that all of them get."""

    place: Path
    redis_url: str
    servers: list[int]
    settings: dict[str, str]
    serve: tuple[str, ...]
    work: dict[str, tuple[str, ...]]
    running: dict[Any, Process] = field(default_factory=dict)

    def start(self, name: Any) -> None:
        if name in self.servers:
            command = tuple(part.format(port=name) for part in self.serve)
            self.running[name] = Process(self.place, *command, PORT=str(name), **self.settings)
            wait_until(lambda: readiness(name) == 200 or self.running[name].process.poll() is not None, 60)
            assert readiness(name) == 200, self.running[name].log.read_text()[-3000:]
        else:
            ready = " ready." if "celery" in self.work[name] else "Engine runs"
            self.running[name] = Process(self.place, *self.work[name], ready=ready, **self.settings)

    def stop(self, name: Any) -> int:
        return self.running[name].stop()


@contextmanager
def portal(tmp_path: Path, way: str) -> Iterator[Portal]:
    """Two web processes and what works for them, all up."""
    prefix = f"test-{uuid.uuid4().hex}-"
    celery = ("-m", "celery", "-A", "gitops_portal", "worker", "--pool=threads", "--concurrency=4", "-l", "INFO",
              "-Q", f"{prefix}short,{prefix}slow")  # fmt: skip
    sweeper = ("manage.py", "run_engine", "--send-to-celery")
    serve, work, engine = {
        "celery": (
            ("-m", "uvicorn", "gitops_portal.asgi:application", "--port", "{port}", "--log-level", "warning"),
            {"worker 1": celery, "worker 2": celery, "sweeper": sweeper},
            "celery",
        ),
        "serve.py": (("scripts/serve.py",), {}, "embedded"),
    }[way]
    with own_redis(tmp_path) as redis_url, ExitStack() as stack:
        given = {"REDIS_URL": redis_url, "PORTAL_ENGINE": engine, "PORTAL_QUEUE_PREFIX": prefix,
                 "PORTAL_DRAIN_SECONDS": str(DRAIN_SECONDS)}  # fmt: skip
        made = Portal(tmp_path, redis_url, [free_port(), free_port()], given, serve, work)
        stack.callback(lambda: [process.kill() for process in made.running.values()])
        for name in (*made.servers, *made.work):
            made.start(name)
        yield made


@pytest.mark.parametrize(("way", "flushed"), [("celery", False), ("celery", True), ("serve.py", True)])
def test_a_rolling_restart_loses_nothing_and_refuses_nobody(tmp_path: Path, way: str, flushed: bool) -> None:
    story = pipeline(STEP.format(place=tmp_path)).replace(
        "timeout: 60s", "timeout: 20m"
    )  # restarts take what they take
    delivery = Delivery.start(tmp_path, story)
    discussed, change = delivery.proposed("two"), delivery.approved("one")
    cookie = cookie_of(delivery.people.alice)
    token = create_token(delivery.people.alice, user=delivery.people.alice, name="writing")[1]
    notes = f"/api/v1/changes/{discussed.number}/threads/"
    services.merge_change(delivery.people.alice, change=change)
    with portal(tmp_path, way) as made, Balancer(*made.servers) as balancer, ExitStack() as stack:
        for server in made.servers:
            balancer.wait_for(server, ready=True)
        wait_until((tmp_path / "begun").exists, 60)
        row = Deployment.objects.get(change=change, environment__name="staging")
        viewers = [stack.enter_context(Viewer(balancer.port, row.number, cookie)) for _ in range(6)]
        page = stack.enter_context(asking(balancer.port, f"/deployments/{row.number}/", cookie))
        writer = stack.enter_context(writing(balancer.port, notes, token))
        wait_until(lambda: all(viewer.events for viewer in viewers))
        for name in (*made.servers, *made.work):
            if name in made.servers:
                _restart_server(made, balancer, name, viewers, notes, token)
            else:
                assert made.stop(name) == 0, made.running[name].log.read_text()[-2000:]
                made.start(name)
            if flushed:
                redis.Redis.from_url(made.redis_url).flushall()
            _wait_for_news(row, viewers)
        (tmp_path / "enough").touch()
        wait_until(lambda: _status(row) == "succeeded", 60)
        wait_until(lambda: all(viewer.seq == _last(row) for viewer in viewers), 20)
    assert [page.problems, writer.problems] == [[], []]
    assert writer.turns >= 10
    assert page.turns >= 10
    assert Thread.objects.filter(change=discussed).count() == writer.turns + len(made.servers)
    _assert_everything_was_seen_once(row, viewers, lines=int((tmp_path / "lines").read_text()))
    assert (tmp_path / "begun").read_text().split() == ["begun"]
    assert Attempt.objects.filter(deployment=row).count() == 1


def _restart_server(
    made: Portal, balancer: Balancer, server: int, viewers: list[Viewer], notes: str, token: str
) -> None:
    """SIGTERM: not ready first, sockets closed with 1012 later, what was begun is answered; then a new one."""
    counts = [len(viewer.closed) for viewer in viewers]
    with half_a_request(server, notes, token) as finish:
        asked = time.monotonic()
        made.running[server].process.terminate()
        balancer.wait_for(server, ready=False)
        unready = time.monotonic()
        assert readiness(server) == 503, "it says so while it still answers"
        wait_until(lambda: any(len(viewer.closed) > count for viewer, count in zip(viewers, counts, strict=True)), 20)
        answer = finish()
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert b"\r\nconnection: close\r\n" in answer.lower(), (
            "a client that keeps its connection would meet a closed port"
        )
    ended = made.running[server].process.wait(20)
    assert ended == -signal.SIGTERM, made.running[server].log.read_text()[
        -2000:
    ]  # uvicorn ends by the signal it was sent
    closed = [entry for viewer, count in zip(viewers, counts, strict=True) for entry in viewer.closed[count:]]
    assert {code for code, _ in closed} == {1012}
    assert unready < min(at for _, at in closed)
    assert min(at for _, at in closed) >= asked + DRAIN_SECONDS * 0.9
    made.start(server)
    balancer.wait_for(server, ready=True)


@contextmanager
def half_a_request(server: int, path: str, token: str) -> Iterator[Any]:
    """A thread of which the server has the first half of the body; yields what sends the rest and reads the head of the answer."""
    body = json.dumps({"body": "begun before the end"}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with sockets.create_connection(("127.0.0.1", server), 20) as connection:
        connection.sendall(head.encode() + body[:10])

        def finish() -> bytes:
            connection.sendall(body[10:])
            return connection.recv(4096)

        yield finish


def _status(row: Deployment) -> str:
    return str(Deployment.objects.values_list("status", flat=True).get(pk=row.pk))


def _last(row: Deployment) -> int:
    return int(Deployment.objects.values_list("last_event", flat=True).get(pk=row.pk))


def _wait_for_news(row: Deployment, viewers: list[Viewer]) -> None:
    """Until every viewer has an event that was written after now: the deployment goes on, and all of them see it."""
    seen = _last(row)
    wait_until(lambda: all(viewer.seq > seen for viewer in viewers), 120)


def _assert_everything_was_seen_once(row: Deployment, viewers: list[Viewer], *, lines: int) -> None:
    stored = list(DeploymentEvent.objects.filter(deployment=row).order_by("seq").values_list("seq", "kind"))
    assert [seq for seq, _ in stored] == list(range(1, len(stored) + 1))
    for viewer in viewers:
        assert [(event["seq"], event["kind"]) for event in viewer.events] == stored
    logs = DeploymentEvent.objects.filter(deployment=row, kind="log").order_by("seq")
    said = [line for event in logs for line in event.text.split("\n") if line.startswith("line ")]
    assert said == [f"line {number}" for number in range(1, lines + 1)]
