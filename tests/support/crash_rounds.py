"""What is under way at each point of RELIABILITY §3.6, killed there, and what must be true afterwards: one round of each.

A round can be played any number of times in one world, under another name each time: tests play it once, soaks fifty times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from apps.api.idempotency import ABANDONED_AFTER
from apps.audit.verification import verify
from apps.changes.models import ChangeRequest, Rendering, Revision
from apps.deployments import services
from apps.deployments.models import Deployment, MergeIntent
from apps.repositories.models import Repository
from apps.reviews.models import Review
from tests.support.crashing import KILLED, Victims, World, sweep_until
from tests.support.delivery import Delivery
from tests.support.git import GitRepo

Round = Callable[[World, str, str], None]
"""Played in a world, at a point, for a change of this name."""
COMMITS = 40
"""Processes that are sent to die in a commit before one has to have died."""
RENDERED = """\
apiVersion: portal/v1
environments:
  staging: {targets: {app: {kind: manifests, path: k8s}}}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {key: '%s'}\n"


def world_of(point: str, place: Path, victims: Victims) -> World:
    """Where the rounds of ``point`` are played."""
    if point == "K6":
        return World(Delivery.start(place, RENDERED, {"k8s/web.yaml": MANIFEST % "first"}), place / "witness", victims)
    return World.start(place, victims)


def proposed(world: World, name: str) -> ChangeRequest:
    return world.delivery.proposed(name, {f"{name}.txt": f"{name}\n"})


def approval(world: World, point: str, name: str) -> None:
    """An approval counts once or not at all, and asking again makes it one."""
    change = proposed(world, name)
    reviews = Review.objects.filter(change=change)
    given = {
        "who": "bob", "url": f"/api/v1/changes/{change.number}/reviews/", "body": {"revision": 1, "verdict": "approve"},
        "key": f"approve-{name}",
    }  # fmt: skip
    how: dict[str, Any] = {"in_commit": 4} if point == "K3" else {"failpoint": f"{point}:kill"}
    came = world.victims.run("post", given, **how)
    assert came == KILLED or point == "K3"
    assert reviews.count() in {"K1": {0}, "K2": {1}, "K3": {0, 1}}[point]
    answers = asked_again(world, point, given, status=201)
    assert [answer["id"] for answer in answers] == [reviews.get().pk] * 2
    assert verify().ok


def commit(world: World, point: str, name: str) -> None:
    """The same, killed at a random moment of a commit; who got away shows nothing, and another one takes that place."""
    before = world.victims.kills
    for number in range(COMMITS):
        approval(world, point, f"{name}-{number}")
        if world.victims.kills > before:
            return
    raise AssertionError(f"none of {COMMITS} was killed in a commit")


def asked_again(world: World, point: str, given: dict[str, Any], *, status: int) -> list[dict[str, Any]]:
    """What the client is answered that asks twice more under the same key: the same, at once where it was done, and else when the first is taken for dead."""
    if point in {"K1", "K7"}:
        early = world.victims.run("post", given)
        assert (early["status"], early["answer"]["code"]) == (409, "still_running")
    later = (ABANDONED_AFTER + timedelta(minutes=1)).total_seconds()
    how: dict[str, Any] = {} if point in {"K2", "K8"} else {"clock": later}
    came = [world.victims.run("post", given, **how) for _ in range(2)]
    assert [one["status"] for one in came] == [status] * 2
    return [one["answer"] for one in came]


def push(world: World, point: str, name: str) -> None:
    """A push is recorded once, and its objects are kept."""
    change, work = proposed(world, name), world.delivery.work
    work.checkout(name)
    head = work.commit("more", files={f"more-{name}.txt": "1\n"})
    work.push(f"{name}:refs/heads/{name}")
    Repository.objects.update(next_poll_at=None, sync_requested_at=change.created_at)
    assert world.victims.run("sweep", failpoint=f"{point}:kill") == KILLED
    revisions = Revision.objects.filter(change=change)
    assert not revisions.filter(head_oid=head).exists()
    sweep_until(revisions.filter(head_oid=head).exists)
    assert list(revisions.values_list("number", flat=True)) == [1, 2]
    mirror = GitRepo(world.delivery.repository.mirror_path)
    assert head in mirror.run("for-each-ref", "--format=%(objectname)", "refs/portal/")


def rendering(world: World, point: str, name: str) -> None:
    """A rendering that was not stored is made again."""
    change = world.delivery.proposed(name, {"k8s/web.yaml": MANIFEST % name})
    mine = Rendering.objects.filter(revision__change=change)
    came = world.victims.run("sweep", {"seconds": 8.0}, failpoint=f"{point}:kill")
    assert came == KILLED, list(Rendering.objects.values("state", "failure", "message"))
    assert not mine.filter(state="rendered").exists()
    Rendering.objects.update(lease_until=None)  # its lease is half a minute
    sweep_until(lambda: mine.exists() and not mine.exclude(state="rendered").exists())


def decision(world: World, point: str, name: str) -> None:
    """A decision to merge is whole, or was never made."""
    change = world.delivery.approved(name, {f"{name}.txt": f"{name}\n"})
    given = {
        "who": "alice", "url": f"/api/v1/changes/{change.number}/merge/", "body": {}, "key": f"merge-{name}",
    }  # fmt: skip
    assert world.victims.run("post", given, failpoint=f"{point}:kill") == KILLED
    change.refresh_from_db()
    decided = MergeIntent.objects.filter(change=change).count()
    assert (change.status, decided) == (("in_review", 0) if point == "K7" else ("merging", 1))
    first, second = asked_again(world, point, given, status=202)
    assert first == second
    assert MergeIntent.objects.filter(change=change).count() == 1
    world.ends_well(change)


def delivery(world: World, point: str, name: str) -> None:
    """A worker leaves nothing undone and nothing done twice."""
    change = world.decided(name)
    assert world.victims.run("sweep", failpoint=f"{point}:kill") == KILLED
    world.ends_well(change)


def stale_lock(world: World, _point: str, name: str) -> None:
    """A lock that a killed Git left does not stop the mirror; one that somebody may be holding stays."""
    change = world.decided(name)
    mirror = world.delivery.repository.mirror_path
    left = (mirror / "packed-refs.lock", mirror / "refs" / "heads" / "main.lock")
    fresh = mirror / "refs" / "heads" / "elsewhere.lock"
    for lock in (*left, fresh):
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    for lock in left:
        os.utime(lock, (time.time() - 120, time.time() - 120))
    os.utime(fresh, (time.time() + 600, time.time() + 600))  # however long this test takes
    world.ends_well(change)
    assert [lock.exists() for lock in (*left, fresh)] == [False, False, True]
    fresh.unlink()


def full_disk(world: World, point: str, name: str) -> None:
    """A full disk stops a merge with words, and it goes on when there is room."""
    change = world.decided(name)
    tried = MergeIntent.objects.filter(change=change).exclude(outcome={})
    for _ in range(20):  # each shorter than the pause after a failure: a second try finds room
        assert world.victims.run("sweep", {"seconds": 0.5}, failpoint=f"{point}:enospc") == {"code": 0}
        if tried.exists():
            break
    intent = tried.get()
    assert (intent.state, intent.outcome["code"], intent.lease_until) == ("pending", "no_disk", None)
    world.ends_well(change)


def whole_machine(world: World, _point: str, name: str) -> None:
    """It dies in a step and nobody can say how far that came: unknown, never run again by itself, and a deployer decides."""
    held = world.witness.with_name("held")
    held.touch()
    change = world.decided(name)
    mine = [f"{change.label}:staging"]
    sweep_until(lambda: set(mine) <= set(world.runs()))
    killed = [process for process in psutil.process_iter() if _runs_steps(process, world.witness.parent)]
    assert killed
    for process in killed:  # a machine takes all of them at once: none of them writes down how another one ended
        process.suspend()
    for one in [one for process in killed for one in (*process.children(recursive=True), process)]:
        with suppress(psutil.NoSuchProcess):  # another one's end took it along
            one.kill()
    held.unlink()
    row = world.delivery.deployment(change)
    sweep_until(lambda: Deployment.objects.get(pk=row.pk).status == "unknown")
    world.victims.run("sweep", {"seconds": 0.5})
    assert [line for line in world.runs() if line in mine] == mine
    assert Deployment.objects.get(pk=row.pk).status == "unknown"
    services.resolve(world.delivery.people.carol, deployment=row, outcome="failed", reason="I looked.")


def _runs_steps(process: psutil.Process, place: Path) -> bool:
    """Whether it is the supervisor of a run below ``place``."""
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "supervisor.py" in words and str(place) in words


ROUNDS: dict[str, Round] = {
    **dict.fromkeys(("K1", "K2"), approval),
    "K3": commit,
    **dict.fromkeys(("K4", "K5"), push),
    "K6": rendering,
    **dict.fromkeys(("K7", "K8"), decision),
    **dict.fromkeys(("K9", "K10", "K11", "K13", "K14", "S4"), delivery),
    "K12": stale_lock,
    "K18": full_disk,
    "machine": whole_machine,
}
"""K19, K20 and K21 have worlds of their own (servers, Redis, two databases); K22 is refused at the start and never killed."""
