"""A host that takes its time: who waits for it keeps the row, writes what came of it, and asks quickly the next time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.core.clock import now
from apps.core.leases import LeaseLost
from apps.core.waiting import beat
from apps.deployments import services
from apps.deployments.jobs import following, landing, starting, verifying
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, MergeIntent
from apps.repositories.models import Repository
from apps.repositories.services import synchronise
from tests.support.delivery import Delivery, pipeline
from tests.support.git_http import SilentHost
from tests.support.people import cast
from tests.support.repositories import connected

SLOW, QUICK = 2.0, 0.4
on_threads = pytest.mark.django_db(transaction=True)


@pytest.fixture
def silent(settings: Any) -> Iterator[str]:
    """The address of a repository on a host that says nothing, which is waited for longer than a lease lasts."""
    settings.PORTAL_LEASE_SECONDS = 0.6
    settings.PORTAL_GIT_TIMEOUT, settings.PORTAL_GIT_PROBE_TIMEOUT = SLOW, QUICK
    settings.PORTAL_GIT_ALLOWED_HOSTS, settings.PORTAL_GIT_PLAIN_HTTP = ["127.0.0.1"], True
    with SilentHost() as host:
        yield f"http://127.0.0.1:{host.port}/infra.git"


def second_claims(work: Callable[[], object], claim: Callable[[], int | None]) -> list[int | None]:
    """What a second worker gets that tries again and again while the first one does ``work``."""
    began = threading.Event()

    def first() -> None:
        began.set()
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    began.wait(5)
    thread.join(0.3)
    got = []
    while thread.is_alive():
        thread.join(0.2)
        if thread.is_alive():
            got.append(claim())
    return got


@on_threads
def test_while_one_worker_waits_for_a_silent_host_no_second_one_does_and_the_pause_is_written(
    tmp_path: Path, silent: str
) -> None:
    repository, _work = connected(tmp_path, cast().carol)
    Repository.objects.filter(pk=repository.pk).update(url=silent)
    got = second_claims(lambda: synchronise(repository.pk), lambda: Repository.objects.claim(repository.pk, seconds=30))
    assert len(got) > 4
    assert set(got) == {None}
    repository.refresh_from_db()
    assert (repository.sync_problem["code"], repository.sync_problem["failures"]) == ("git_timeout", 1)
    assert repository.next_poll_at > now()
    assert repository.lease_until is None


@pytest.mark.django_db
def test_a_host_that_failed_before_is_asked_a_quick_question_first(tmp_path: Path, silent: str) -> None:
    repository, _work = connected(tmp_path, cast().carol)
    Repository.objects.filter(pk=repository.pk).update(url=silent)
    assert not synchronise(repository.pk)
    repository.refresh_from_db()
    assert f"within {SLOW:g} seconds" in repository.sync_problem["message"]
    assert not synchronise(repository.pk)
    repository.refresh_from_db()
    assert f"within {QUICK:g} seconds" in repository.sync_problem["message"]
    assert repository.sync_problem["failures"] == 2


@on_threads
def test_a_run_whose_claim_is_waited_for_stays_with_its_worker_and_says_that_it_is_tried_again(
    tmp_path: Path, silent: str, settings: Any
) -> None:
    settings.PORTAL_GIT_PROBE_TIMEOUT = SLOW  # the claim is looked for before it is made
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    row = delivery.deployment(delivery.merged())
    starting.start(row.pk)
    Repository.objects.filter(pk=delivery.repository.pk).update(url=silent)
    got = second_claims(lambda: following.follow(row.pk), lambda: Deployment.objects.claim(row.pk, seconds=30))
    assert len(got) > 4
    assert set(got) == {None}
    row.refresh_from_db()
    assert (row.status, row.check_at is not None and row.check_at > now()) == ("dispatching", True)
    assert DeploymentEvent.objects.filter(deployment=row, text__contains="It is tried again").exists()
    following.follow(row.pk)
    assert Attempt.objects.get(deployment=row).external_run["silences"] == 2


@on_threads
def test_a_merge_whose_push_takes_long_lands_by_the_worker_that_pushed(tmp_path: Path, settings: Any) -> None:
    settings.PORTAL_LEASE_SECONDS = 0.6
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    intent = services.merge_change(delivery.people.alice, change=delivery.approved("one", {"one.txt": "1\n"}))
    hook = Path(delivery.repository.url) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nsleep 1.5\n")
    hook.chmod(0o755)
    got = second_claims(
        lambda: landing.carry_out_merge(intent.pk),
        lambda: MergeIntent.objects.claim(intent.pk, seconds=30, state=MergeIntent.State.PENDING),
    )
    assert len(got) > 4
    assert set(got) == {None}
    intent.refresh_from_db()
    assert (intent.state, intent.tries, intent.lease_until) == ("landed", 0, None)


@on_threads
def test_a_comparison_that_waits_stays_with_its_worker(tmp_path: Path, silent: str, settings: Any) -> None:
    settings.PORTAL_GIT_PROBE_TIMEOUT = SLOW
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    intent = services.merge_change(delivery.people.alice, change=delivery.approved("one", {"one.txt": "1\n"}))
    landing.carry_out_merge(intent.pk)
    Repository.objects.filter(pk=delivery.repository.pk).update(url=silent)
    got = second_claims(
        lambda: verifying.verify_landed(intent.pk),
        lambda: MergeIntent.objects.claim(intent.pk, seconds=30),
    )
    assert len(got) > 4
    assert set(got) == {None}
    intent.refresh_from_db()
    assert (intent.tries, intent.outcome["code"]) == (1, "git_timeout")


@pytest.mark.django_db
def test_a_beat_prolongs_no_lease_that_was_given_back_or_is_longer_and_stops_who_lost_it(tmp_path: Path) -> None:
    repository, _work = connected(tmp_path, cast().carol)
    rows = Repository.objects
    fence = rows.claim(repository.pk, seconds=600)
    assert fence is not None
    with rows.kept(repository.pk, fence=fence, seconds=0.0):
        beat()
        assert Repository.objects.get().lease_until > now() + timedelta(seconds=500)
        rows.release(repository.pk, fence=fence)
        beat()
        assert Repository.objects.get().lease_until is None
        rows.claim(repository.pk, seconds=600)
        with pytest.raises(LeaseLost):
            beat()
    beat()  # nobody wants it any more
