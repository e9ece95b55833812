"""Processes to be killed: a template that has everything loaded and no database open, and a copy of it for each deed.

Told what to do line by line; each deed runs in a process of its own (a fork of the template, which never opened a connection), so
a test pays milliseconds and not a start of Django. The deeds are the portal's own jobs, and requests through its own handler.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest  # noqa: F401  its presence is how the settings know tests: no power fails here, so nothing is flushed to disk

from apps.core.work import Job
from tests.support.killing import kill_a_git


def main() -> None:
    import django

    django.setup()
    from django.urls import get_resolver

    from apps.worker.registry import jobs

    jobs()
    get_resolver().url_patterns  # noqa: B018  loads the views
    tell({"ready": os.getpid()})
    for line in sys.stdin:
        task = json.loads(line)
        said, saying = os.pipe()
        child = os.fork()
        if not child:
            status = 1
            try:
                os.setsid()
                os.write(saying, json.dumps(act(task) or {}).encode())
                status = 0
            except Exception:  # noqa: BLE001  told, and the status says so, too
                traceback.print_exc()
            finally:
                os._exit(status)
        if task.get("kill_after") is not None:
            time.sleep(task["kill_after"])
            os.killpg(child, signal.SIGKILL) if task.get("whole") else os.kill(child, signal.SIGKILL)
        more: dict[str, Any] = {}
        if task.get("kill_git") is not None:
            time.sleep(task["kill_git"])
            more = {"gits": int(kill_a_git(child, 1.0))}
        os.close(saying)
        _, ended = os.waitpid(child, 0)
        with os.fdopen(said, "rb") as answer:
            more |= json.loads(answer.read() or "{}")
        tell(({"signal": os.WTERMSIG(ended)} if os.WIFSIGNALED(ended) else {"code": os.WEXITSTATUS(ended)}) | more)


def act(task: dict[str, Any]) -> dict[str, Any] | None:
    """What the deed has to say, if anything."""
    from django.conf import settings

    from apps.core import failpoints

    for name, value in task["settings"].items():
        setattr(settings, name, value)
    failpoints.arm(task.get("failpoint", ""))
    if task.get("clock"):
        move_clock(task["clock"])
    if task.get("file_bytes"):
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["file_bytes"], task["file_bytes"]))
    if task.get("in_commit"):
        die_in_commit(task["in_commit"])
    return ACTS[task["act"]](**task["given"])


def move_clock(seconds: float) -> None:
    """This process believes that it is ``seconds`` later, wherever it asks for the time."""
    from datetime import timedelta

    from apps.core import clock

    real = clock.now
    moved = lambda: real() + timedelta(seconds=seconds)  # noqa: E731
    for module in list(sys.modules.values()):
        if getattr(module, "now", None) is real:
            module.now = moved  # type: ignore[attr-defined]


def die_in_commit(count: int) -> None:
    """Be killed at some moment of the ``count``-th COMMIT of this process, inside of it or just before or after."""
    from django.db import connections
    from django.db.backends.base.base import BaseDatabaseWrapper

    options = connections["default"].settings_dict["OPTIONS"]
    if "init_command" in options:  # SQLite, which in tests flushes nothing: a commit would have no moment to die in
        options["init_command"] = options["init_command"].replace("synchronous=OFF", "synchronous=FULL")
    commit, left = BaseDatabaseWrapper._commit, [count]

    def dying(self: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            threading.Timer(random.random() * 0.002, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return commit(self)

    BaseDatabaseWrapper._commit = dying  # type: ignore[method-assign]


def sweep(seconds: float = 20.0) -> None:
    """What a worker does: all that is due, again and again."""
    from apps.deployments.models import Deployment
    from apps.worker.embedded import run_unit
    from apps.worker.registry import jobs

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        Deployment.objects.filter(status="pending").update(check_at=None)
        for name, job in jobs().items():
            for pk in due_of(job):
                run_unit(job.run, name, pk)
        time.sleep(0.02)


def due_of(job: Job) -> list[int]:
    """What is due; nothing where that cannot be told, as the engine does."""
    try:
        return list(job.due(20))
    except OSError:
        traceback.print_exc()
        return []


def post(who: str, url: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """A request to the API, through the whole handler; what was answered."""
    from django.test import Client

    from apps.accounts.models import User

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username=who))
    answer = client.post(url, body, content_type="application/json", headers={"Idempotency-Key": key})
    sys.stderr.write(f"{url}: {answer.status_code} {answer.content[:500]!r}\n")
    return {"status": answer.status_code, "answer": answer.json()}


def publish() -> None:
    """One turn of the publisher of the log."""
    from apps.audit import publishing

    publishing.publish()


def begin_anew() -> None:
    """An operator begins a new published log."""
    from django.core.management import call_command

    call_command("recover_audit_log", "--begin-anew", "because")


ACTS: dict[str, Callable[..., dict[str, Any] | None]] = {
    act.__name__: act for act in (sweep, post, publish, begin_anew)
}


def tell(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
