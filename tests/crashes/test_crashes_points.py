"""kill -9 exactly there (RELIABILITY §3.6): whatever was under way is done once by whoever comes next, or a person is asked.

Each point once on the database of this pass; ``make soak`` runs each fifty times, and kills at random moments.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.audit.verification import verify
from apps.changes.models import ChangeRequest, Rendering, Revision
from apps.core import failpoints
from apps.deployments import services
from apps.deployments.models import Deployment, MergeIntent
from apps.reviews.models import Review
from tests.support.crashing import KILLED, Victims, World, sweep_until
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until
from tests.support.git import GitRepo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
BOTH = pytest.mark.parametrize("engine", ENGINES)
Patch = pytest.MonkeyPatch


# --- a merge and what follows --------------------------------------------------------------

SWEPT = ("K9", "K10", "K11", "K13", "K14", "S4")


@BOTH
@pytest.mark.parametrize("point", SWEPT)
def test_a_worker_killed_there_leaves_nothing_undone_and_nothing_done_twice(
    world: World, point: str, engine: str
) -> None:
    change = world.decided()
    assert world.victims.run("sweep", failpoint=f"{point}:kill") == KILLED
    world.ends_well(change)


@BOTH
@pytest.mark.parametrize("point", ["K7", "K8"])
def test_a_decision_is_whole_or_was_never_made(world: World, point: str, engine: str) -> None:
    change = world.delivery.approved()
    given = {"who": "alice", "url": f"/api/v1/changes/{change.number}/merge/", "body": {}, "key": "merge-once"}
    assert world.victims.run("post", given, failpoint=f"{point}:kill") == KILLED
    change.refresh_from_db()
    assert (change.status, MergeIntent.objects.count()) == (("in_review", 0) if point == "K7" else ("merging", 1))
    if point == "K7":  # the key of a call that never ended stays taken: the client looks, and asks anew
        assert world.victims.run("post", {**given, "key": "merge-anew"}) == {"code": 0}
    world.ends_well(change)


@BOTH
@pytest.mark.parametrize("point", ["K1", "K2", "K3"])
def test_an_approval_counts_once_or_not_at_all_and_asking_again_makes_it_one(
    world: World, point: str, engine: str
) -> None:
    change = world.delivery.proposed()
    given = {
        "who": "bob", "url": f"/api/v1/changes/{change.number}/reviews/", "body": {"revision": 1, "verdict": "approve"},
        "key": "approve-once",
    }  # fmt: skip
    how = {"in_commit": 4} if point == "K3" else {"failpoint": f"{point}:kill"}
    came = world.victims.run("post", given, **how)
    assert came == KILLED or point == "K3"
    there = Review.objects.count()
    assert there in {"K1": {0}, "K2": {1}, "K3": {0, 1}}[point]
    for _ in range(2):
        assert world.victims.run("post", given) == {"code": 0}
    if (
        not Review.objects.count()
    ):  # a retry under the same key is told that nobody knows: the client looks, and asks anew
        assert world.victims.run("post", {**given, "key": "approve-anew"}) == {"code": 0}
    assert Review.objects.count() == 1
    assert verify().ok


@BOTH
@pytest.mark.parametrize("point", ["K4", "K5"])
def test_a_push_is_recorded_once(world: World, point: str, engine: str) -> None:
    change = world.delivery.proposed()
    world.delivery.work.checkout("one")
    head = world.delivery.work.commit("more", files={"more.txt": "1\n"})
    world.delivery.work.push("one:refs/heads/one")
    world.delivery.repository.__class__.objects.update(next_poll_at=None, sync_requested_at=change.created_at)
    assert world.victims.run("sweep", failpoint=f"{point}:kill") == KILLED
    assert not Revision.objects.filter(change=change, head_oid=head).exists()
    sweep_until(lambda: Revision.objects.filter(change=change, head_oid=head).exists())
    assert list(Revision.objects.filter(change=change).values_list("number", flat=True)) == [1, 2]
    mirror = GitRepo(world.delivery.repository.mirror_path)
    assert head in mirror.run("for-each-ref", "--format=%(objectname)", "refs/portal/")


RENDERED = """\
apiVersion: portal/v1
environments:
  staging: {targets: {app: {kind: manifests, path: k8s}}}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


@BOTH
def test_a_rendering_that_was_not_stored_is_made_again(tmp_path: Path, victims: Victims, engine: str) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {key: '%s'}\n"
    delivery = Delivery.start(tmp_path, RENDERED, {"k8s/web.yaml": manifest % "1"})
    change = delivery.proposed("one", {"k8s/web.yaml": manifest % "2"})
    came = victims.run("sweep", {"seconds": 8.0}, failpoint="K6:kill")
    assert came == KILLED, list(Rendering.objects.values("state", "failure", "message"))
    assert not Rendering.objects.filter(state="rendered").exists()
    Rendering.objects.update(lease_until=None)  # its lease is half a minute
    sweep_until(lambda: Rendering.objects.exists() and not Rendering.objects.exclude(state="rendered").exists())
    assert Rendering.objects.filter(revision__change=change).count() == Rendering.objects.count()


@BOTH
def test_a_lock_that_a_killed_git_left_does_not_stop_the_mirror(world: World, engine: str) -> None:
    """K12."""
    change = world.decided()
    mirror = world.delivery.repository.mirror_path
    for name in ("packed-refs.lock", "refs/heads/main.lock"):
        lock = mirror / name
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        os.utime(lock, (time.time() - 120, time.time() - 120))
    world.ends_well(change)
    assert not list(mirror.rglob("main.lock"))


@BOTH
def test_when_the_whole_machine_dies_in_a_step_a_person_is_asked(tmp_path: Path, victims: Victims, engine: str) -> None:
    """Nobody can say how far the step came: unknown, never run again by itself, and a deployer decides."""
    witness = tmp_path / "witness"
    step = f"echo $$ >> {witness}; sleep 30"
    delivery = Delivery.start(tmp_path, pipeline(step, "true"))
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    world = World(delivery, witness, victims)
    sweep_until(world.runs)
    held = [place for place in Path("/proc").glob("[0-9]*") if _is_supervisor(place, str(tmp_path))]
    assert held
    for place in held:
        os.killpg(int(place.name), signal.SIGKILL)
    os.kill(int(world.runs()[0]), signal.SIGKILL) if Path(f"/proc/{world.runs()[0]}").exists() else None
    row = delivery.deployment(change)
    sweep_until(lambda: Deployment.objects.get(pk=row.pk).status == "unknown")
    world.victims.run("sweep", {"seconds": 1.0})
    assert len(world.runs()) == 1
    assert Deployment.objects.get(pk=row.pk).status == "unknown"
    services.resolve(delivery.people.carol, deployment=row, outcome="failed", reason="I looked.")


def _is_supervisor(place: Path, data: str) -> bool:
    try:
        words = (place / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return "supervisor.py" in words and data in words


# --- the points themselves -----------------------------------------------------------------


def test_a_real_engine_is_killed_by_the_environment_and_only_where_debugging_is_on(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    armed = {"PORTAL_FAILPOINT": "K11:kill"}
    with Process(tmp_path, "manage.py", "run_engine", **armed) as refused:
        assert refused.process.wait(60) != 0
        assert "PORTAL_FAILPOINT" in refused.log.read_text()
    with Process(tmp_path, "manage.py", "run_engine", PORTAL_DEBUG="true", **armed) as killed:
        wait_until(lambda: killed.process.poll() is not None, 60)
        assert killed.process.returncode == -signal.SIGKILL
    sweep_until(lambda: ChangeRequest.objects.get(pk=change.pk).status == "done")
    assert MergeIntent.objects.get().state == "landed"


def test_an_unarmed_point_does_nothing_and_a_wrong_name_is_refused() -> None:
    failpoints.arm("")
    for name in failpoints.POINTS:
        failpoints.failpoint(name)
    for text in ("K99:kill", "K11", "K11:explode", "K11:kill:x"):
        with pytest.raises(failpoints.BadFailpoint):
            failpoints.arm(text)
    failpoints.arm("K11:raise:2")
    try:
        failpoints.failpoint("K10")
        failpoints.failpoint("K11")
        with pytest.raises(failpoints.Struck):
            failpoints.failpoint("K11")
    finally:
        failpoints.arm("")


def test_every_point_stands_somewhere_once() -> None:
    text = "".join(path.read_text() for path in Path("apps").rglob("*.py") if path.name != "failpoints.py")
    assert {name: text.count(f'failpoint("{name}")') for name in failpoints.POINTS} == dict.fromkeys(
        failpoints.POINTS, 1
    )


# --- the full figures ----------------------------------------------------------------------


@BOTH
@pytest.mark.soak
@pytest.mark.parametrize("point", SWEPT)
def test_fifty_times_at_each_point(world: World, point: str, engine: str) -> None:
    for number in range(50):
        change = world.decided(f"n{number}")
        assert world.victims.run("sweep", failpoint=f"{point}:kill") == KILLED
        world.ends_well(change)


@BOTH
@pytest.mark.soak
def test_at_random_moments(world: World, engine: str, says: Callable[[str], None]) -> None:
    seed = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    chance = random.Random(seed)
    kills = int(os.environ.get("CRASH_KILLS", "500"))
    says(f"CRASH_SEED={seed} repeats the {kills} moments")
    for number in range(kills // 5):
        change = world.decided(f"r{number}")
        for _ in range(5):
            world.victims.run("sweep", kill_after=chance.random() * 1.5, whole=chance.random() < 0.5)
        world.ends_well(change)
