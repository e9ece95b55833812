"""K15 to K17 and R8: whoever publishes the log is killed, or is two. There is one log, and every checkpoint follows from the one before."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import REF
from apps.audit.publishing import MOST, advance, publish
from apps.audit.recovery import take_back
from apps.audit.verification import verify
from apps.vcs.drafting import create_bare
from tests.support.crashing import KILLED, Victims
from tests.support.engine_process import ROOT, environment
from tests.support.git import GitRepo
from tests.support.publishing import acts, checkpoints, publish_here

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
POINTS = ("K15", "K16", "K16P")
LARGE = MOST + 1


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The published log and its copy elsewhere."""
    here, there = tmp_path / "data" / "audit.git", tmp_path / "remotes" / "audit.git"
    here.parent.mkdir()
    there.parent.mkdir()
    create_bare(there)
    publish_here(settings, here.parent, monkeypatch)
    settings.PORTAL_AUDIT_REMOTE = str(there)
    settings.PORTAL_LOCAL_REPOSITORY_DIRS = [str(there.parent)]
    return here, there


def all_is_published(places: tuple[Path, Path]) -> None:
    """Both logs end where the rows do, and every checkpoint in them follows from the one before."""
    deadline = time.monotonic() + 20
    while not Publication.objects.filter(size=AuditHead.objects.get().seq, pushed=F("commit")).exists():
        assert time.monotonic() < deadline, list(Publication.objects.values())
        Publication.objects.update(retry_at=None)
        publish()
        time.sleep(0.05)
    assert AuditHead.objects.get().held == ""
    found = checkpoints(places[0])
    assert found[-1].size == AuditHead.objects.get().seq
    assert checkpoints(places[1])[-1] == found[-1]
    assert verify().ok


@BOTH
@pytest.mark.parametrize("point", POINTS)
def test_a_publisher_killed_there_leaves_one_log(
    victims: Victims, places: tuple[Path, Path], point: str, engine: str
) -> None:
    acts(3)
    publish()
    acts(4)
    assert victims.run("publish", failpoint=f"{point}:kill") == KILLED
    sizes = [checkpoint.size for checkpoint in checkpoints(places[0])]
    assert sizes == ([3, 7] if point == "K16P" else [3])
    all_is_published(places)
    assert [checkpoint.size for checkpoint in checkpoints(places[1])] == [3, 7]


@BOTH
def test_who_begins_again_after_a_crash_makes_the_very_same_commit(
    victims: Victims, places: tuple[Path, Path], engine: str
) -> None:
    acts(3)
    publish()
    acts(4)
    assert victims.run("publish", failpoint="K16:kill") == KILLED
    (dangling,) = (line.split()[-1] for line in _unreachable(places[0]) if " commit " in line)
    all_is_published(places)
    assert GitRepo(places[0]).rev_parse(REF) == dangling


def _unreachable(place: Path) -> list[str]:
    return GitRepo(place).run("fsck", "--unreachable", "--no-progress").splitlines()


@BOTH
@pytest.mark.parametrize("point", ["K15", "K15:kill:2", "K16", "K16N"])
def test_who_is_killed_while_a_log_is_begun_anew_leaves_the_old_one_or_a_new_one_that_says_why(
    victims: Victims, places: tuple[Path, Path], point: str, engine: str
) -> None:
    """Of more entries than stand in one commit."""
    acts(LARGE)
    publish()
    assert victims.run("begin_anew", failpoint=point if ":" in point else f"{point}:kill") == KILLED
    assert not AuditEntry.objects.filter(action="audit.begun_anew").exists()
    if point == "K16N":
        assert take_back() == 1
        assert AuditEntry.objects.filter(action="audit.begun_anew", seq=LARGE + 1).exists()
    all_is_published(places)
    assert (checkpoints(places[0])[-1].origin == checkpoints(places[0])[0].origin) == (point != "K16N")
    assert victims.run("begin_anew") == {"code": 0}
    all_is_published(places)


@BOTH
def test_a_publisher_that_slept_over_its_lease_moves_nothing(
    victims: Victims, places: tuple[Path, Path], engine: str
) -> None:
    """K17: it wakes up with a commit of its own in its hands, and another one has published meanwhile."""
    acts(3)
    publish()
    acts(2)
    sleeper = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], cwd=ROOT, env=_env(places, PORTAL_DEBUG="true", PORTAL_FAILPOINT="K16:delay=4"),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sleeper.stdout
    assert sleeper.stdout.readline() == "ready\n"
    _wait_for(lambda: any(" commit " in line for line in _unreachable(places[0])))
    acts(2)
    time.sleep(1.2)  # the lease of the sleeper is over
    all_is_published(places)
    before = GitRepo(places[0]).rev_parse(REF)
    assert sleeper.wait(30) == 0
    assert GitRepo(places[0]).rev_parse(REF) == before
    all_is_published(places)
    assert [checkpoint.size for checkpoint in checkpoints(places[0])] == [3, 7]


SLEEPER = """
import django; django.setup()
from apps.audit.publishing import publish
print("ready", flush=True)
publish()
"""


def _env(places: tuple[Path, Path], **more: str) -> dict[str, str]:
    return environment(
        places[1].parent, PORTAL_AUDIT_PUBLISH="true", PORTAL_AUDIT_REMOTE=str(places[1]), PORTAL_ENGINE="none", **more
    )


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- R8: the duel --------------------------------------------------------------------------

DUELLIST = """
import sys, time
import django; django.setup()
from apps.audit.publishing import advance
print("ready", flush=True); sys.stdin.readline()
until, lost, won = time.monotonic() + float(sys.argv[1]), 0, 0
while time.monotonic() < until:
    found = advance()
    lost += found is None
print(lost, flush=True)
"""


def duel(places: tuple[Path, Path], *, many: int, seconds: float) -> int:
    """``many`` publishers without a lease between them, while entries are written; how often one was overtaken."""
    acts(1)
    advance()
    duellists = [
        subprocess.Popen(
            [sys.executable, "-c", DUELLIST, str(seconds)], cwd=ROOT, env=_env(places),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(many)
    ]  # fmt: skip
    for one in duellists:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    for one in duellists:
        assert one.stdin
        one.stdin.write("\n")
        one.stdin.flush()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        acts(random.randrange(1, 4))
        time.sleep(0.02)
    said = [one.communicate(timeout=60)[0] for one in duellists]
    assert [one.returncode for one in duellists] == [0] * many
    return sum(int(text) for text in said)


@BOTH
def test_of_two_publishers_one_writes_each_checkpoint(
    places: tuple[Path, Path], engine: str, says: Callable[[str], None]
) -> None:
    overtaken = duel(places, many=2, seconds=4.0)
    written = checkpoints(places[0])
    says(f"{len(written)} checkpoints, {overtaken} times overtaken")
    assert len(written) > 5
    assert overtaken, "they never met: the duel says nothing"
    all_is_published(places)


# --- the full figures ----------------------------------------------------------------------


@BOTH
@pytest.mark.soak
@pytest.mark.parametrize("point", POINTS)
def test_fifty_publishers_killed_there_leave_one_log(
    victims: Victims, places: tuple[Path, Path], point: str, engine: str
) -> None:
    for _ in range(50):
        acts(random.randrange(1, 300))
        assert victims.run("publish", failpoint=f"{point}:kill") == KILLED
        all_is_published(places)


@BOTH
@pytest.mark.soak
def test_publishers_killed_at_random_moments_leave_one_log(
    victims: Victims, places: tuple[Path, Path], engine: str, says: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    chance = random.Random(seed)
    kills = int(os.environ.get("CRASH_KILLS", "500"))
    says(f"CRASH_SEED={seed} repeats the {kills} moments")
    for number in range(kills):
        acts(chance.randrange(1, 300))
        victims.run("publish", kill_after=chance.random() * 0.3, whole=chance.random() < 0.5)
        if number % 20 == 19:
            all_is_published(places)


@BOTH
@pytest.mark.soak
@pytest.mark.parametrize("many", [2, 8, 32])
def test_many_publishers_write_one_log(places: tuple[Path, Path], many: int, engine: str) -> None:
    assert duel(places, many=many, seconds=60.0)
    all_is_published(places)
