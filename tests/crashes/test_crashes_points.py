"""kill -9 exactly there (RELIABILITY §3.6): whatever was under way is done once by whoever comes next, or a person is asked.

Each point once on the database of this pass; ``make soak`` runs each fifty times, and kills at random moments.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.core import failpoints
from apps.deployments import services
from apps.deployments.models import MergeIntent
from tests.support.crash_rounds import ROUNDS
from tests.support.crashing import KILLED, World, sweep_until
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
BOTH = pytest.mark.parametrize("engine", ENGINES)
TIMES = int(os.environ.get("CRASH_TIMES", "50"))
Says = Callable[[str], None]


@BOTH
@pytest.mark.parametrize("point", ROUNDS)
def test_killed_there_everything_is_done_once_or_a_person_is_asked(world: World, point: str, engine: str) -> None:
    ROUNDS[point](world, point, "one")


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
@pytest.mark.parametrize("point", ROUNDS)
def test_fifty_times_at_each_point(world: World, point: str, engine: str, says: Says) -> None:
    for number in range(TIMES):
        ROUNDS[point](world, point, f"n{number}")
    says(f"{TIMES} times: {world.tally()}")


@BOTH
@pytest.mark.soak
@pytest.mark.parametrize("what", ["worker", "git"])
def test_at_random_moments(world: World, what: str, engine: str, says: Says) -> None:
    seed = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    chance, wanted = random.Random(seed), int(os.environ.get("CRASH_KILLS", "500"))
    says(f"CRASH_SEED={seed} repeats the {wanted} moments")
    kills = changes = 0
    while kills < wanted:
        change = world.decided(f"r{changes}")
        kills += sum(killed(world, what, chance) for _ in range(5))
        changes += 1
        world.ends_well(change)
    says(f"{kills} kills of a {what}: {world.tally()}")


def killed(world: World, what: str, chance: random.Random) -> int:
    """How many were killed at a random moment of a sweep: it was over before, or it was not."""
    if what == "git":
        return world.victims.run("sweep", {"seconds": 0.8}, kill_git=chance.random() * 0.3)["gits"]
    return world.victims.run("sweep", kill_after=chance.random() * 1.5, whole=chance.random() < 0.5) == KILLED
