"""A worker that was overtaken while it asked: whatever it had decided, it acts on nothing any more."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from apps.core.waiting import about_to_act, beat, let_go, only_if
from apps.deployments.dispatchers import Outside
from apps.deployments.dispatchers.kube_api import KubeApi
from apps.deployments.dispatchers.local import LocalDispatcher
from apps.deployments.jobs import following
from apps.deployments.jobs.keeping import keep
from apps.deployments.models import Attempt, Deployment, DeploymentEvent
from apps.deployments.transitions import LeaseLost, append_event, say
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import Asked, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = pytest.mark.django_db(transaction=True)
DEPLOY = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml, tag: true"
Patch = pytest.MonkeyPatch


def overtake() -> None:
    Deployment.objects.update(fence=F("fence") + 1)


@pytest.fixture
def there(settings: Any) -> Iterator[GitHub]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with serving(GitHub()) as stub:
        yield stub


def claimed(place: Path, there: GitHub) -> Deployment:
    delivery = delivery_via(place, DEPLOY, kind="github", url=there.url, values={"token": TOKEN})
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    run_jobs("deployments.start")
    return row


@pytest.mark.parametrize("asked", [r"GET /git/ref/", r"GET /commits/"])
def test_who_was_overtaken_while_it_asked_sends_no_start(
    tmp_path: Path, there: GitHub, monkeypatch: Patch, asked: str
) -> None:
    row = claimed(tmp_path, there)
    method, _, path = asked.partition(" ")
    answer: Callable[[Asked], Any] = there.answer

    def slowly(question: Asked) -> Any:
        if question.method == method and path in question.path:
            overtake()
        return answer(question)

    monkeypatch.setattr(there, "answer", slowly)
    following.follow(row.pk)
    assert (there.runs, there.count("POST .*"), there.tags) == ([], 0, {})
    row.refresh_from_db()
    assert row.status == "running", "whoever has it now decides"


def test_the_lease_is_renewed_before_each_request_that_acts(tmp_path: Path, there: GitHub, monkeypatch: Patch) -> None:
    row = claimed(tmp_path, there)
    answer, leases = there.answer, []

    def watched(question: Asked) -> Any:
        if question.method == "POST":
            leases.append(Deployment.objects.get(pk=row.pk).lease_until)
        return answer(question)

    monkeypatch.setattr(there, "answer", watched)
    following.follow(row.pk)
    assert len(leases) >= 2
    assert leases == sorted(set(leases)), "each further than the one before"


def test_a_long_search_before_the_start_is_no_part_of_the_minute_in_which_it_is_looked_for(
    tmp_path: Path, there: GitHub, monkeypatch: Patch
) -> None:
    row = claimed(tmp_path, there)
    there.shows_key, there.faults = False, {"POST /dispatches$": "cut"}
    keeps = following.send.__globals__["keep"]

    def long_ago(attempt: Any, deployment: Any, fence: int, /, **facts: Any) -> None:
        keeps(attempt, deployment, fence, **facts | ({"sent": "2020-01-01T00:00:00+00:00"} if "sent" in facts else {}))

    with monkeypatch.context() as patch:
        patch.setitem(following.send.__globals__, "keep", long_ago)
        following.follow(row.pk)
    step_engine()
    row.refresh_from_db()
    assert row.status == "running", "the request went out just now"


def test_what_a_run_leaves_there_is_removed_also_when_the_next_attempt_has_begun(
    tmp_path: Path, there: GitHub, monkeypatch: Patch
) -> None:
    row = claimed(tmp_path, there)
    following.follow(row.pk)
    assert there.tags
    there.end("success")
    answer: Callable[[Asked], Any] = there.answer

    def retried(question: Asked) -> Any:
        if Deployment.objects.filter(pk=row.pk, status="succeeded").exists():
            overtake()
        return answer(question)

    monkeypatch.setattr(there, "answer", retried)
    until(row, "succeeded")
    assert there.tags == {}


def test_each_patch_of_a_set_asks_first_whether_the_run_is_still_ours() -> None:
    asked: list[str] = []

    def lost() -> None:
        asked.append("asked")
        raise LeaseLost

    with only_if(lost), KubeApi(Outside("c", "kubernetes", "https://cluster.invalid", {"token": "t"})) as api:
        for dry in (True, False):
            with pytest.raises(LeaseLost):
                api.apply("/api/v1/namespaces/x/configmaps/y", {}, dry=dry)
    assert len(asked) == 2


def test_a_supervisor_is_not_started_by_who_was_overtaken(tmp_path: Path, monkeypatch: Patch) -> None:
    witness = tmp_path / "witness"
    delivery = Delivery.start(tmp_path, pipeline(f"echo x >> {witness}", "true"))
    row = delivery.deployment(delivery.merged())
    run_jobs("deployments.start")
    started: list[Any] = []

    def late(*_: Any) -> None:
        overtake()

    monkeypatch.setattr(LocalDispatcher, "_fence", late)  # the last thing before the start
    monkeypatch.setattr(subprocess, "run", lambda *args, **_: started.append(args))
    following.follow(row.pk)
    assert started == []


def test_what_was_kept_and_said_of_a_run_is_by_who_has_it(tmp_path: Path) -> None:
    """K9, of runs: after the lease was lost nothing is written."""
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    row = delivery.deployment(delivery.merged())
    run_jobs("deployments.start")
    fence = Deployment.objects.claim(row.pk, seconds=30)
    assert fence is not None
    attempt = Attempt.objects.get(deployment=row)
    row.refresh_from_db()
    before = row.last_event
    keep(attempt, row, fence, sent="now")
    overtake()
    for act in (
        lambda: keep(attempt, row, fence, sent="later"),
        lambda: say(row, "x", fence=fence),
        lambda: append_event(row, kind="log", text="x", fence=fence),
    ):
        with pytest.raises(LeaseLost):
            act()
    attempt.refresh_from_db()
    row.refresh_from_db()
    assert attempt.external_run["sent"] == "now"
    assert (DeploymentEvent.objects.filter(deployment=row).count(), row.last_event) == (before, before)


def test_a_lease_is_kept_while_other_systems_are_asked_and_let_go_for_what_comes_after(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    row = delivery.deployment(delivery.merged())
    fence = Deployment.objects.claim(row.pk, seconds=0.001)
    assert fence is not None
    with Deployment.objects.kept(row.pk, fence=fence, seconds=0.003):
        first = Deployment.objects.get(pk=row.pk).lease_until
        for _ in range(100):
            beat()
        about_to_act()
        assert Deployment.objects.get(pk=row.pk).lease_until > first
        overtake()
        with let_go():
            beat()
            about_to_act()
        with pytest.raises(LeaseLost):
            about_to_act()
    until(row, "succeeded")
