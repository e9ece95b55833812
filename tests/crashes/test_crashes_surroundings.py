"""What fails around the portal (RELIABILITY §5.3): the disk, the clock, the Git host that took a push and never says so, Redis."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import Attempt, MergeIntent
from tests.support.crashing import KILLED, Victims, World
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until
from tests.support.git_http import GitHttp
from tests.support.redis_server import OwnRedis
from tests.support.small_disk import fill, small_disk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
BOTH = pytest.mark.parametrize("engine", ENGINES)


@BOTH
def test_a_worker_that_may_write_no_more_file_does_no_harm(world: World, engine: str) -> None:
    """K18, by the limit of the kernel: what Git or SQLite cannot write is rolled back."""
    change = world.decided()
    world.victims.run("sweep", {"seconds": 2.0}, file_bytes=4096)
    world.ends_well(change)


@BOTH
@pytest.mark.parametrize("hours", [1, -1])
def test_a_worker_whose_clock_is_wrong_does_nothing_twice(world: World, hours: int, engine: str) -> None:
    change = world.decided()
    assert world.victims.run("sweep", failpoint="K10:kill", clock=3600.0 * hours) == KILLED
    world.ends_well(change)


@pytest.fixture
def full_soon(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """The data directory on a file system of 24 MB."""
    with small_disk(tmp_path / "small") as place:
        settings.PORTAL_DATA_DIR = place
        yield place


@BOTH
def test_on_a_full_disk_nothing_is_half_done_and_it_goes_on_when_there_is_room(
    full_soon: Path, tmp_path: Path, victims: Victims, engine: str
) -> None:
    """K18, by a file system without a free block: mirror, workspaces and logs of steps are on it."""
    world = World.start(tmp_path, victims)
    change = world.decided()
    filler = fill(full_soon)
    assert world.victims.run("sweep", {"seconds": 3.0}) == {"code": 0}
    said = MergeIntent.objects.get().outcome
    assert MergeIntent.objects.get().state == "pending"
    assert said["message"], "it says why it waits"
    assert not world.runs()
    filler.unlink()
    MergeIntent.objects.update(check_at=None)
    world.ends_well(change)


@BOTH
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_host_that_took_the_push_and_lost_its_answer_has_it_once(
    tmp_path: Path, victims: Victims, settings: Any, engine: str, lost: int
) -> None:
    """The claim, the push of the merge, and the claims of both runs: ``lost`` answers in a row, over real HTTP."""
    settings.PORTAL_GIT_ALLOWED_HOSTS = ["127.0.0.1"]
    settings.PORTAL_GIT_PLAIN_HTTP = True
    world = World.start(tmp_path, victims)
    with GitHttp(tmp_path) as host:
        repository = world.delivery.repository
        repository.__class__.objects.filter(pk=repository.pk).update(url=host.url("remote-infra.git"))
        change = world.decided()
        host.lose_answers = lost
        for _ in range(lost + 1):
            MergeIntent.objects.update(check_at=None)
            assert world.victims.run("sweep", {"seconds": 1.5}) == {"code": 0}
        assert host.lose_answers == 0, "they were lost"
        MergeIntent.objects.filter(state="pending").update(check_at=None)
        world.ends_well(change)
        pushes = [path for method, path, _ in host.requests if method == "POST" and path.endswith("git-receive-pack")]
    assert len(pushes) <= 4 + lost


@pytest.mark.redis
def test_redis_may_be_emptied_and_killed_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    """K20."""
    redis_fails(tmp_path, 3)


@pytest.mark.redis
@pytest.mark.soak
def test_redis_is_emptied_a_hundred_and_fifty_times_and_killed_fifty(tmp_path: Path) -> None:
    """K20."""
    redis_fails(tmp_path, 50)


def redis_fails(tmp_path: Path, times: int) -> None:
    """Celery workers and wake-ups through a Redis that is flushed at random moments, dies and comes back, for each change."""
    witness = tmp_path / "witness"
    step = f"echo $PORTAL_CHANGE:$PORTAL_ENVIRONMENT >> {witness}; sleep 0.3"
    delivery = Delivery.start(tmp_path, pipeline(step, step))
    redis, prefix = OwnRedis(tmp_path), f"test-{uuid.uuid4().hex}-"
    scaled_out = {"REDIS_URL": redis.url, "PORTAL_ENGINE": "celery", "PORTAL_QUEUE_PREFIX": prefix}
    worker = ("-m", "celery", "-A", "gitops_portal", "worker", "--pool=threads", "--concurrency=4", "-l", "INFO",
              "-Q", f"{prefix}short,{prefix}slow")  # fmt: skip
    sweeper = ("manage.py", "run_engine", "--send-to-celery")
    changes = []
    redis.start()
    with (
        closing(redis),
        Process(tmp_path, *worker, ready=" ready.", **scaled_out),
        Process(tmp_path, *sweeper, ready="Engine runs", **scaled_out),
    ):
        for number in range(times):
            change = delivery.approved(f"n{number}", {f"{number}.txt": "1\n"})
            services.merge_change(delivery.people.alice, change=change)
            changes.append(change)
            for _ in range(3):
                time.sleep(random.random() * 0.4)
                redis.flush()
            time.sleep(random.random() * 0.4)
            redis.kill()
            time.sleep(0.5)
            redis.start()
            wait_until(lambda change=change: ChangeRequest.objects.get(pk=change.pk).status == "done", 150)  # type: ignore[misc]
    expected = [f"{change.label}:{name}" for change in changes for name in ("staging", "production")]
    assert witness.read_text().split() == expected
    assert set(Attempt.objects.values_list("number", flat=True)) == {1}
