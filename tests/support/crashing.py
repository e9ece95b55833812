"""Killing processes at one point, and the question that follows: what became of the work?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from apps.audit.verification import verify
from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, MergeIntent
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.engine_process import ROOT, environment
from tests.support.git import GitRepo

KILLED = {"signal": 9}
PASSED_ON = (
    "PORTAL_DATA_DIR", "PORTAL_LOCAL_REPOSITORY_DIRS", "PORTAL_LEASE_SECONDS", "PORTAL_GIT_ALLOWED_HOSTS", "PORTAL_GIT_PLAIN_HTTP",
    "PORTAL_STEP_GRACE_SECONDS", "PORTAL_AUDIT_PUBLISH", "PORTAL_AUDIT_REMOTE", "PORTAL_CONNECTION_PLAIN_HTTP",
)  # fmt: skip


class Victims:
    """The template process of ``crash_worker``; :meth:`run` lets one copy of it do one thing and says how it ended."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.kills = 0  # how many of those that ran here were killed
        self.log = (place / "victims.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_worker"], cwd=ROOT,
            env=environment(place, PORTAL_ENGINE="none"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True, start_new_session=True,
        )  # fmt: skip
        self._answer()

    def run(self, act: str, given: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
        """``how``: failpoint, kill_after (s), whole, kill_git (s), in_commit, clock (s), file_bytes. ``{"signal": 9}`` or ``{"code": 0}``,
        and of a post ``status`` and ``answer``.
        """
        now = {name: getattr(settings, name) for name in PASSED_ON}
        now["PORTAL_DATA_DIR"] = str(now["PORTAL_DATA_DIR"])
        task = {"act": act, "given": given or {}, "settings": now, **how}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        came = self._answer()
        self.kills += came == KILLED
        return came

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, (self.place / "victims.log").read_text(errors="replace")[-3000:]
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.log.close()


def sweep_until(is_so: Callable[[], Any], seconds: float = 60.0) -> None:
    """Play the worker that is left, in this process, until the world is as it has to become."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"not so after {seconds} s"
        Deployment.objects.filter(status="pending").update(check_at=None)
        run_jobs()
        time.sleep(0.03)


@dataclass
class World:
    """A repository whose steps leave a line each time they run, and stay while there is a file ``held`` beside it."""

    delivery: Delivery
    witness: Path
    victims: Victims

    @classmethod
    def start(cls, place: Path, victims: Victims) -> World:
        witness = place / "witness"
        step = f"echo $PORTAL_CHANGE:$PORTAL_ENVIRONMENT >> {witness}; if [ -e {place}/held ]; then sleep 60; fi"
        return cls(Delivery.start(place, pipeline(step, step)), witness, victims)

    @property
    def remote(self) -> GitRepo:
        return GitRepo(self.witness.parent / "remote-infra.git")

    def runs(self) -> list[str]:
        return self.witness.read_text().split() if self.witness.exists() else []

    def decided(self, name: str = "one") -> ChangeRequest:
        change = self.delivery.approved(name, {f"{name}.txt": f"{name}\n"})
        services.merge_change(self.delivery.people.alice, change=change)
        return change

    def tally(self) -> str:
        """What the steps left against what the portal says: done twice, lost, unknown."""
        ran = Counter(self.runs())
        said = Deployment.objects.filter(status="succeeded").values_list("change__number", "environment__name")
        lost = [f"CHG-{number}:{name}" for number, name in said if f"CHG-{number}:{name}" not in ran]
        twice = [line for line, times in ran.items() if times > 1]
        asked = DeploymentEvent.objects.filter(kind="state", data__status="unknown").count()
        assert (twice, lost) == ([], [])
        return f"{len(ran)} runs, 0 twice, 0 lost, {asked} times unknown and put to a person"

    def ends_well(self, change: ChangeRequest) -> None:
        """Merged once, every environment deployed once, nothing left behind, the log whole."""
        sweep_until(lambda: ChangeRequest.objects.get(pk=change.pk).status == "done")
        intents = MergeIntent.objects.filter(change=change)
        assert list(intents.values_list("state", "claim", "verification")) == [("landed", "held", "passed")]
        trailer = f"Change-Request: {change.label}"
        assert len(self.remote.run("log", "--format=%H", f"--grep=^{trailer}$", "main").split()) == 1
        mine = [line for line in self.runs() if line.startswith(f"{change.label}:")]
        assert sorted(mine) == [f"{change.label}:production", f"{change.label}:staging"]
        assert set(Deployment.objects.filter(change=change).values_list("status", "attempts")) == {("succeeded", 1)}
        attempts = Attempt.objects.filter(deployment__change=change)
        assert attempts.count() == 2
        sweep_until(lambda: not attempts.filter(has_workspace=True).exists())
        runs = Path(settings.PORTAL_DATA_DIR) / "runs"
        kept = [str(number) for number in attempts.values_list("deployment__number", flat=True)]
        assert all((runs / name).is_dir() for name in kept)
        assert not [tree for name in kept for tree in (runs / name).glob("*/tree")]
        assert verify().ok
