"""kill -9 of what serves, at random moments, while people work and deployments run (RELIABILITY §3.6, §5.3): K19 and more.

The server with its engine, a Git that works for it, a backend of PostgreSQL, PostgreSQL itself. What was answered is kept; what was
not is asked again under the same key; nothing is done twice; nobody sees a 500.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.db import connection

from tests.stories.scenes import Scene
from tests.support.engine_process import wait_until
from tests.support.killing import kill_a_git
from tests.support.postgres import Cluster
from tests.support.server import PortalServer

pytestmark = pytest.mark.slow
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
Says = Callable[[str], None]
PIPELINE = """\
apiVersion: portal/v1
environments:
  staging:
    deploy: {{steps: [{{name: apply, run: 'echo $PORTAL_CHANGE:staging >> {witness}; sleep 0.3', timeout: 1m}}]}}
  production:
    after: [staging]
    deploy: {{steps: [{{name: apply, run: 'echo $PORTAL_CHANGE:production >> {witness}', timeout: 1m}}]}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""


@dataclass
class Insistent:
    """A client that asks again, as one that was well written does, and remembers what it was answered."""

    server: PortalServer
    answers: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def ask(
        self, who: str, method: str, path: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> httpx.Response:
        client = self.server.api(who).client
        headers = {"Idempotency-Key": key} if key else {}
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                answer = client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                self.answers[0] += 1
                time.sleep(0.05)
                continue
            self.answers[answer.status_code] += 1
            if answer.status_code < 500:
                return answer
            if answer.status_code != 503:
                self.problems.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            time.sleep(0.2)
        raise AssertionError(f"{method} {path} was never answered: {self.answers} {self.problems}")

    def read(self, who: str, path: str) -> dict[str, Any]:
        answer = self.ask(who, "GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass
class Stage:
    """A server, and the PostgreSQL below it unless it is on SQLite."""

    server: PortalServer
    repositories: Path
    cluster: Cluster | None

    def kill(self, what: str, chance: random.Random) -> bool:
        """Whether there was anything to kill."""
        if what == "git":
            return kill_a_git(self.server.pid, 3.0)
        if what == "server":
            self.server.crash()
            return True
        assert self.cluster
        return KILLS[what](self.cluster, chance)


def kill_backend(cluster: Cluster, chance: random.Random) -> bool:
    """The backend of somebody who is connected: then PostgreSQL ends all of them and recovers."""
    question = "SELECT pid FROM pg_stat_activity WHERE datname = 'portal' AND pid <> pg_backend_pid() ORDER BY pid"
    until, pids = time.monotonic() + 3, list[int]()
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(cluster.url, autocommit=True) as asking,
    ):  # it may still recover
        while not pids and time.monotonic() < until:
            pids = [pid for (pid,) in asking.execute(question).fetchall()]
    if pids:
        os.kill(chance.choice(pids), signal.SIGKILL)
    return bool(pids)


def crash_database(cluster: Cluster, chance: random.Random) -> bool:
    """All of PostgreSQL, now and then for a while."""
    if chance.random() < 0.7:
        cluster.restart()
    else:
        cluster.stop()
        time.sleep(chance.uniform(0.2, 1.5))
        cluster.start()
    return True


KILLS = {"backend": kill_backend, "database": crash_database}
VICTIMS = {"sqlite": ["server", "git"], "postgresql": ["database", "backend", "server", "git"]}


@pytest.fixture
def stage(engine: str, tmp_path: Path) -> Iterator[Stage]:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")
    repositories = tmp_path / "repositories"
    repositories.mkdir()
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster()) if engine == "postgresql" else None
        environment = {"PORTAL_LEASE_SECONDS": "1", "DATABASE_URL": cluster.url if cluster else ""}
        server = PortalServer(tmp_path / "data", local_dirs=[repositories], environment=environment).start()
        stack.callback(server.stop)
        for name in ("alice", "bob", "kim", "dave"):
            server.person(name)
        server.person("carol", "--connect-repositories")
        yield Stage(server, repositories, cluster)


def kill_again_and_again(
    stage: Stage, victims: list[str], is_over: threading.Event, seed: int, came: list[str]
) -> None:
    """One after the other at random moments until ``is_over``; ``came``: what was killed."""
    chance = random.Random(seed)
    for what in cycle(victims):
        if is_over.wait(chance.uniform(0.2, 3.0)):
            return
        if stage.kill(what, chance):
            came.append(what)


@pytest.mark.parametrize("engine", ENGINES)
def test_while_what_serves_is_killed_again_and_again_all_is_done_once_and_nobody_sees_a_mistake(
    stage: Stage, tmp_path: Path, says: Says, engine: str
) -> None:
    says(worked_on(stage, tmp_path, VICTIMS[engine], changes=3, kills=4))


@pytest.mark.soak
@pytest.mark.parametrize(
    ("engine", "what"),
    [("sqlite", what) for what in VICTIMS["sqlite"]]
    + [pytest.param("postgresql", what, marks=pytest.mark.postgres) for what in VICTIMS["postgresql"]],
)
def test_what_serves_is_killed_at_random_moments(
    stage: Stage, tmp_path: Path, says: Says, engine: str, what: str
) -> None:
    kills = int(os.environ.get("CRASH_KILLS", "500")) // 10
    says(worked_on(stage, tmp_path, [what], changes=kills // 2, kills=kills))


def worked_on(stage: Stage, tmp_path: Path, victims: list[str], *, changes: int, kills: int) -> str:
    """Bring at least so many changes through at least so many kills; what came of it."""
    server, witness, seed = stage.server, tmp_path / "witness", random.SystemRandom().randrange(10**9)
    files = {".gitops/portal.yaml": PIPELINE.format(witness=witness)}
    scene = Scene.open((server, stage.repositories), "crashed", files)
    numbers = [scene.propose(f"n{number}", {f"{number}.txt": "1\n"}) for number in range(changes)]
    for who in ("alice", "bob", "carol"):
        server.api(who).get("/changes/")
    client, is_over = Insistent(server), threading.Event()
    came: list[str] = []
    killing = threading.Thread(target=kill_again_and_again, args=(stage, victims, is_over, seed, came))
    killing.start()
    try:
        for number in numbers:
            bring(client, number)
        wait_until(lambda: len(came) >= kills or not killing.is_alive(), 60 + 60 * kills)
    finally:
        is_over.set()
        killing.join()
    assert len(came) >= kills
    for number in numbers:
        wait_until(lambda path=f"/changes/{number}/": client.read("alice", path)["state"] == "done", 90)
    assert_all_was_done_once(client, scene, numbers, witness)
    server.manage("verify_audit_log")
    return f"killed {dict(Counter(came))} (seed {seed}), {changes} changes, 0 twice, 0 lost; answers {dict(client.answers)}"


def assert_all_was_done_once(client: Insistent, scene: Scene, numbers: list[int], witness: Path) -> None:
    ran = Counter(witness.read_text().split())
    for number in numbers:
        for name in ("staging", "production"):
            times = 0 if is_contained(client, number, name) else 1
            assert ran[f"CHG-{number}:{name}"] == times, ran
    merges = scene.bare.run("log", "--merges", "--format=%s", "main").splitlines()
    assert len(merges) == len(numbers)
    assert client.problems == []


def is_contained(client: Insistent, number: int, environment: str) -> bool:
    """Whether a newer deployment, which contains this change, was ready earlier and ran in its place."""
    rows = client.read("carol", f"/deployments/?change={number}&environment={environment}")["results"]
    (done,) = [row for row in rows if row["state"] == "succeeded"]
    events = client.read("carol", f"/deployments/{done['number']}/events/")["results"]
    return any("Nothing to run" in event["text"] for event in events)


def bring(client: Insistent, number: int) -> None:
    """Approve and merge one change, whatever happens meanwhile; each try under a key of its own, asked again until it is answered."""
    path, until, tries = f"/changes/{number}/", time.monotonic() + 600, 0
    while (change := client.ask("bob", "GET", path).json())["state"] in {"in_review", "merging"}:
        assert time.monotonic() < until, change
        tries += 1
        revision = change["revisions"][-1]["number"]
        is_approved = any(each["verdict"] == "approve" and each["revision"] == revision for each in change["reviews"])
        if not is_approved:
            body = {"revision": revision, "verdict": "approve"}
            answer = client.ask("bob", "POST", f"{path}reviews/", body, key=f"approve-{number}-{tries}")
        elif change["state"] == "in_review":
            answer = client.ask("alice", "POST", f"{path}merge/", {}, key=f"merge-{number}-{tries}")
        assert answer.is_success or answer.status_code == 409, answer.text
        time.sleep(0.1)
