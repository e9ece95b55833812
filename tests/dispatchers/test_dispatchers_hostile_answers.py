"""Answers that no system gives that means well: too deep, too slow, without an end, or of another type than told."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.core.waiting import while_waiting
from apps.deployments.dispatchers import Outside, argo_drift, cloudformation_values, gitlab, patience
from apps.deployments.dispatchers.answers import Answer
from apps.deployments.dispatchers.argo_application import Application
from apps.deployments.dispatchers.argocd import _hook_steps
from apps.deployments.dispatchers.aws_api import Account
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.kube_api import KubeApi
from apps.deployments.dispatchers.kube_job import _step
from apps.deployments.dispatchers.remote import whole_number
from apps.deployments.dispatchers.terraform_step import told_by
from apps.deployments.dispatchers.webhook import _told_id
from tests.support.dispatching import run_for

DEEP = b"[" * 100_000
Piece = Callable[[socket.socket], None]


def outside(url: str) -> Outside:
    return Outside("corp", "webhook", url, {"token": "t"})


@contextlib.contextmanager
def server(speak: Piece) -> Iterator[str]:
    """What ``speak`` sends to everybody who connects, until they have left."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listening.accept()
                with caller, contextlib.suppress(OSError):
                    caller.recv(65536)
                    speak(caller)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


def drip(caller: socket.socket) -> None:
    while True:
        caller.send(b"a")
        time.sleep(0.05)


def body(caller: socket.socket) -> None:
    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    drip(caller)


def headers(caller: socket.socket) -> None:
    caller.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(caller)


@pytest.mark.parametrize("speak", [body, headers])
def test_an_answer_that_drips_is_not_waited_for_for_ever(speak: Piece, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WHOLE", 0.5)
    beats: list[float] = []
    with server(speak) as url, Client(outside(url)) as client, while_waiting(lambda: beats.append(0)):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer in time"):
            client.read("/")
    assert time.monotonic() - began < 5
    assert len(beats) > 2, "nobody kept the lease meanwhile"


def test_each_exchange_of_a_client_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WHOLE", 1.0)

    def slow(caller: socket.socket) -> None:
        for _ in range(3):
            time.sleep(0.5)
            caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            caller.recv(65536)

    with server(slow) as url, Client(outside(url)) as client:
        assert [client.read("/").json() for _ in range(3)] == [{}, {}, {}]


def test_json_that_is_nested_too_deeply_is_no_json_anywhere() -> None:
    with pytest.raises(Unavailable) as refused:
        Answer(200, DEEP, {}).json()
    assert refused.value.code == "bad_answer"
    assert _told_id(DEEP) == ""
    assert argo_drift._body(DEEP.decode()) == {}
    assert cloudformation_values._value(DEEP.decode()) == DEEP.decode()
    assert list(told_by(DEEP)) == []


def test_a_refusal_that_is_nested_too_deeply_has_no_words() -> None:
    def speak(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100000\r\n\r\n" + DEEP)
        caller.recv(65536)

    with server(speak) as url, Client(outside(url)) as client, pytest.raises(Unavailable, match="answered 400"):
        client.read("/")


@pytest.mark.parametrize("is_new", [True, False])
def test_pages_of_a_cluster_have_an_end(is_new: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read(_path: str, params: dict[str, str]) -> Any:
        asked.append(params.get("continue", ""))
        token = f"t{len(asked)}" if is_new else "t"
        return SimpleNamespace(json=lambda: {"items": [], "metadata": {"continue": token}})

    with KubeApi(outside("http://127.0.0.1:9")) as api:
        monkeypatch.setattr(api.client, "read", read)
        with pytest.raises(Unavailable, match="without an end"):
            api.items("/api/v1/pods", "a=b")
    assert len(asked) == (200 if is_new else 2)


def test_pages_of_an_account_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    account = object.__new__(Account)
    monkeypatch.setattr(Account, "ask", lambda *_, **given: {"Rows": [given.get("NextToken")], "NextToken": "t"})
    rows = account.pages("describe_stack_events", "Rows")
    assert (next(rows), next(rows)) == (None, "t")
    with pytest.raises(Unavailable, match="without an end"):
        list(rows)


def test_words_of_another_type_than_told_are_words_that_nobody_knows() -> None:
    odd: Any = ["Failed"]
    run = run_for("argocd", "http://127.0.0.1:9", {"application": "web"})
    busy = Application(run, {"operation": {"sync": {}}, "status": {"operationState": {"phase": odd}}})
    assert busy.phase
    state = {"phase": "Succeeded", "syncResult": {"resources": [{"hookType": "Sync", "hookPhase": odd, "name": "a"}]}}
    assert _hook_steps(run, Application(run, {"status": {"operationState": state}}))
    rows = [{"name": "a", "status": odd}, {"name": "b", "status": "Synced"}]
    found = Application(run, {"status": {"resources": rows}})
    assert argo_drift._out_of_sync(run, found, list, ())
    with pytest.raises(Unavailable):
        whole_number(10**30)


def test_gitlab_is_told_to_stop_a_pipeline_whose_status_is_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    client: Any = SimpleNamespace(change=lambda _method, path: asked.append(path))
    run = run_for("gitlab", "http://127.0.0.1:9", {"project": "a/b"})
    assert gitlab._stop(client, run, {"id": 61, "status": {"a": 1}}) is False
    assert asked == ["/api/v4/projects/a%2Fb/pipelines/61/cancel"]


def test_a_pod_with_an_odd_name_and_code_is_a_step_that_every_database_holds() -> None:
    state = {"terminated": {"exitCode": 10**12}}
    status = {"containerStatuses": [{"name": "job", "state": state}]}
    step = _step(0, {"metadata": {"name": "a\0b"}, "status": status}, job_failed=True, over=False)
    assert (step.key, step.exit_code) == ("pod-a b", 2**31 - 1)
