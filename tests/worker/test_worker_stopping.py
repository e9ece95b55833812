"""An engine that is told to stop ends within its ten seconds, whatever it waits for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from apps.core.clock import now
from apps.core.work import Job
from apps.repositories.models import Repository
from apps.worker.embedded import Engine
from tests.support.engine_process import Process, wait_until
from tests.support.git_http import SilentHost
from tests.support.people import cast
from tests.support.repositories import connected


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_engine_that_waits_for_a_silent_host_ends_when_it_is_stopped(tmp_path: Path) -> None:
    repository, _work = connected(tmp_path, cast().carol)
    with SilentHost() as host:
        url = f"http://127.0.0.1:{host.port}/infra.git"
        Repository.objects.filter(pk=repository.pk).update(url=url, sync_requested_at=now())
        given = {"PORTAL_GIT_TIMEOUT": "90", "PORTAL_GIT_ALLOWED_HOSTS": "127.0.0.1", "PORTAL_GIT_PLAIN_HTTP": "true"}
        with Process(tmp_path, "manage.py", "run_engine", ready="Engine runs", **given) as engine:
            wait_until(lambda: Repository.objects.get().lease_until is not None, 40)
            time.sleep(0.5)
            engine.process.terminate()
            assert engine.process.wait(20) == 0
            assert "repositories.sync" in engine.log.read_text().split("engine_stopped")[0].splitlines()[-1]
    assert Repository.objects.get().sync_problem == {}, "it waited still"


def test_what_runs_longer_than_the_patience_of_a_stop_holds_up_nothing() -> None:
    begun, gate, ended = threading.Event(), threading.Event(), []

    def run(pk: int) -> None:
        begun.set()
        gate.wait(10)
        ended.append(pk)

    engine = Engine({"x.long": Job("x.long", lambda _: [1], run, every=0.05, slow=True)})
    engine.start()
    assert begun.wait(5)
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("engine-")]
    engine.stop(timeout=0.2)
    assert (ended, [thread.daemon for thread in mine]) == ([], [True] * len(mine))
    gate.set()
    for thread in mine:
        thread.join(5)
    assert not [thread for thread in mine if thread.is_alive()]
    assert ended == [1]
