"""A crowd at one repository: a dozen people and programs push, review, merge, deploy, cancel and look at once, on a real server.

Nobody is answered with a 5xx, no unit of background work fails, no run happens twice, and the log holds together. ``make soak``
does it for minutes (``CROWD_SECONDS``).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection

from apps.core.clock import now
from tests.stories.scenes import Scene
from tests.support.postgres import Cluster
from tests.support.server import PortalServer

pytestmark = pytest.mark.slow
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
PEOPLE, ENVIRONMENTS = ("alice", "bob", "kim", "carol"), ("dev", "staging", "production")
CLIENTS = 10
NEWEST = 12
PIPELINE = """\
apiVersion: portal/v1
environments:
  dev:
    deploy: {{steps: [{{name: apply, run: '{note}; sleep 0.2; test $((PORTAL_CHANGE % 4)) -ne 0', timeout: 1m}}]}}
  staging:
    after: [dev]
    deploy: {{steps: [{{name: apply, run: '{note}', timeout: 1m}}, {{name: wait, run: 'sleep 0.3', timeout: 1m}}]}}
  production:
    after: [staging]
    deploy: {{start: manual, steps: [{{name: apply, run: '{note}', timeout: 1m}}]}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
NOTE = "echo $PORTAL_ENVIRONMENT:$PORTAL_DEPLOYMENT:$PORTAL_ATTEMPT >> {witness}"
PAGES = (
    "/environments/board/", "/queue/", "/timeline/", "/calendar/", "/inbox/", "/changes/{change}/merge/",
    "/changes/{change}/start/", "/changes/{change}/verdicts/", "/changes/{change}/diff/", "/changes/{change}/inverse/",
)  # fmt: skip


@dataclass
class Crowd:
    """``answers``: last word of the address, and status, of all that was sent; ``wrong``: what nobody should be answered."""

    scene: Scene
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    pushing: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, who: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON of the answer, whatever its status."""
        try:
            answer = self.scene.api(who).client.request(method, path, json=body)
        except httpx.TransportError as problem:
            self.wrong.append(f"{method} {path}: {problem!r}")
            return {}
        if method != "GET":
            self.answers[path.strip("/").rsplit("/", 1)[-1], answer.status_code] += 1
        if answer.status_code >= 500:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer.json() if answer.content else {}

    def propose(self, chance: random.Random) -> None:
        name = f"b{chance.getrandbits(40):x}"
        with self.pushing:
            self.scene.push(name, {chance.choice(["app.txt", f"ünï/{name}.txt"]): f"{name}\n"})
        self.ask("alice", "POST", f"/repositories/{self.scene.name}/sync/")
        body = {"repository": self.scene.name, "title": name, "source_branch": name}
        made = self.ask("alice", "POST", "/changes/", body)
        if "number" in made:
            self.changes.append(made["number"])

    def push_past(self, _: random.Random) -> None:
        with self.pushing:
            self.scene.push("main", {"past.txt": f"{time.monotonic()}\n"})
        self.ask("carol", "POST", f"/repositories/{self.scene.name}/sync/")
        for row in self.ask("carol", "GET", f"/repositories/{self.scene.name}/outside-changes/").get("results", []):
            made = self.ask("alice", "POST", f"/repositories/{self.scene.name}/outside-changes/{row['id']}/adopt/")
            self.changes += [made["number"]] if "number" in made else []

    def review(self, chance: random.Random) -> None:
        number = chance.choice(self.changes[-NEWEST:])
        revisions = self.ask("bob", "GET", f"/changes/{number}/").get("revisions") or [{"number": 1}]
        body = {
            "revision": revisions[-1]["number"],
            "verdict": chance.choice(["approve"] * 5 + ["comment"]),
            "body": "Hm.",
        }
        self.ask(chance.choice(["bob", "kim"]), "POST", f"/changes/{number}/reviews/", body)
        self.ask(chance.choice(["alice", "carol"]), "POST", f"/changes/{number}/merge/")

    def discuss(self, chance: random.Random) -> None:
        number = chance.choice(self.changes[-NEWEST:])
        self.ask("kim", "POST", f"/changes/{number}/threads/", {"body": "Why?", "kind": "question"})

    def leave(self, chance: random.Random) -> None:
        number, act = chance.choice(self.changes[-NEWEST:]), chance.choice(["withdraw", "reopen", "draft", "ready"])
        self.ask("alice", "POST", f"/changes/{number}/{act}/", {"reason": "Later."} if act == "withdraw" else {})

    def deploy(self, chance: random.Random) -> None:
        rows = self.ask("carol", "GET", f"/deployments/?repository={self.scene.name}").get("results") or []
        if rows:
            act = chance.choice(["start", "start", "retry", "cancel", "rollback", "bring-back"])
            self.ask("carol", "POST", f"/deployments/{chance.choice(rows[:NEWEST])['number']}/{act}/", {})

    def lock(self, chance: random.Random) -> None:
        place = f"/environments/{self.scene.name}/{chance.choice(ENVIRONMENTS)}/lock/"
        self.ask("carol", "PUT", place, {"reason": "Looking.", "until": (now() + timedelta(hours=1)).isoformat()})
        self.ask("carol", "DELETE", place)

    def look(self, chance: random.Random) -> None:
        page = chance.choice(PAGES).format(change=chance.choice(self.changes[-NEWEST:]))
        self.ask(chance.choice(PEOPLE), "GET", page)

    def come(self, seconds: float, seed: int) -> None:
        """All at once, until the time is over."""
        end = time.monotonic() + seconds
        self.propose(random.Random(seed))

        def client(number: int) -> None:
            chance = random.Random(seed + number)
            acts: list[Callable[[random.Random], None]] = [
                *[self.propose, self.deploy, self.look] * 3, *[self.review] * 5, self.discuss, self.leave, self.lock,
            ]  # fmt: skip
            while time.monotonic() < end:
                (self.push_past if chance.random() < 0.005 else chance.choice(acts))(chance)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.fixture
def scene(engine: str, tmp_path: Path) -> Iterator[Scene]:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")
    repositories = tmp_path / "repositories"
    repositories.mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(Cluster()).url if engine == "postgresql" else ""
        server = PortalServer(tmp_path / "data", local_dirs=[repositories], environment={"DATABASE_URL": database})
        stack.callback(server.start().stop)
        for name in ("alice", "bob", "kim", "dave"):
            server.person(name)
        server.person("carol", "--connect-repositories")
        note = NOTE.format(witness=tmp_path / "witness")
        scene = Scene.open((server, repositories), "crowded", {".gitops/portal.yaml": PIPELINE.format(note=note)})
        for name in PEOPLE:
            scene.api(name)
        yield scene


def crowd(scene: Scene, witness: Path, seconds: float) -> str:
    """What was done, in words."""
    seed = int(os.environ.get("CROWD_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    them = Crowd(scene)
    them.come(seconds, seed)
    log = scene.server.log.read_text(errors="replace")
    told = f"CROWD_SEED={seed}: {len(them.changes)} changes, {dict(them.answers)}"
    assert them.wrong == [], told
    assert [line for line in log.splitlines() if "unit_failed" in line or "deadlock" in line] == [], told
    assert scene.server.manage("verify_audit_log")
    runs = witness.read_text().split() if witness.exists() else []
    assert len(runs) == len(set(runs)), "something ran twice"
    assert len(them.changes) > 3, f"there was no crowd: {told}"
    assert sum(them.answers["merge", status] for status in (202, 409)) > 5, f"nobody came to merge: {told}"
    return f"{told}; {len(runs)} runs"


@pytest.mark.parametrize("engine", ENGINES)
def test_in_a_crowd_nobody_is_refused_by_a_fault(
    scene: Scene, tmp_path: Path, engine: str, says: Callable[[str], None]
) -> None:
    says(crowd(scene, tmp_path / "witness", 15.0))


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
def test_in_a_crowd_of_minutes_nobody_is_refused_by_a_fault(
    scene: Scene, tmp_path: Path, engine: str, says: Callable[[str], None]
) -> None:
    says(crowd(scene, tmp_path / "witness", float(os.environ.get("CROWD_SECONDS", "300"))))
