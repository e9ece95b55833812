"""K19: PostgreSQL crashes and comes back, again and again, while people work and deployments run (RELIABILITY §3.6, §5.3).

What was answered is kept; what was not is asked again under the same key; nothing is done twice; nobody sees a 500.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stories.scenes import Scene
from tests.support.engine_process import wait_until
from tests.support.postgres import Cluster
from tests.support.server import PortalServer

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
CHANGES = 3
CRASHES = 6
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


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[PortalServer, Path, Cluster]]:
    with Cluster() as cluster:
        repositories = tmp_path / "repositories"
        repositories.mkdir()
        environment = {"DATABASE_URL": cluster.url, "PORTAL_LEASE_SECONDS": "1"}
        server = PortalServer(tmp_path / "data", local_dirs=[repositories], environment=environment).start()
        try:
            for name in ("alice", "bob", "kim", "dave"):
                server.person(name)
            server.person("carol", "--connect-repositories")
            yield server, repositories, cluster
        finally:
            server.stop()


def crash_again_and_again(cluster: Cluster, is_over: threading.Event, seed: int, came: list[float]) -> None:
    """A few crashes at random moments, none after ``is_over``; to ``came``: how long after the beginning each came."""
    chance, began = random.Random(seed), time.monotonic()
    while len(came) < CRASHES and not is_over.wait(chance.uniform(0.2, 3.0)):
        if (len(came) + 1) % 3:
            cluster.restart()
        else:
            cluster.stop()
            time.sleep(chance.uniform(0.2, 1.5))
            cluster.start()
        came.append(time.monotonic() - began)


def test_while_the_database_crashes_again_and_again_all_is_done_once_and_nobody_sees_a_mistake(
    stage: tuple[PortalServer, Path, Cluster], tmp_path: Path, says: Callable[[str], None]
) -> None:
    server, repositories, cluster = stage
    witness, seed = tmp_path / "witness", random.SystemRandom().randrange(10**9)
    files = {".gitops/portal.yaml": PIPELINE.format(witness=witness)}
    scene = Scene.open((server, repositories), "crashed", files)
    numbers = [scene.propose(f"n{number}", {f"{number}.txt": "1\n"}) for number in range(CHANGES)]
    for who in ("alice", "bob", "carol"):
        server.api(who).get("/changes/")
    client, is_over = Insistent(server), threading.Event()
    crashes: list[float] = []
    crashing = threading.Thread(target=crash_again_and_again, args=(cluster, is_over, seed, crashes))
    crashing.start()
    try:
        for number in numbers:
            bring(client, number)
        wait_until(lambda: len(crashes) >= 2, 60)
    finally:
        is_over.set()
        crashing.join()
    says(f"{len(crashes)} crashes (seed {seed}); answers {dict(client.answers)}")
    for number in numbers:
        wait_until(lambda path=f"/changes/{number}/": client.read("alice", path)["state"] == "done", 90)
    ran = Counter(witness.read_text().split())
    for number in numbers:
        for name in ("staging", "production"):
            times = 0 if is_contained(client, number, name) else 1
            assert ran[f"CHG-{number}:{name}"] == times, ran
    merges = scene.bare.run("log", "--merges", "--format=%s", "main").splitlines()
    assert len(merges) == CHANGES
    assert client.problems == []
    server.manage("verify_audit_log")


def is_contained(client: Insistent, number: int, environment: str) -> bool:
    """Whether a newer deployment, which contains this change, was ready earlier and ran in its place."""
    rows = client.read("carol", f"/deployments/?change={number}&environment={environment}")["results"]
    (done,) = [row for row in rows if row["state"] == "succeeded"]
    events = client.read("carol", f"/deployments/{done['number']}/events/")["results"]
    return any("Nothing to run" in event["text"] for event in events)


def bring(client: Insistent, number: int) -> None:
    """Approve and merge one change, whatever happens meanwhile; each try under a key of its own, asked again until it is answered."""
    path, until, tries = f"/changes/{number}/", time.monotonic() + 120, 0
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
