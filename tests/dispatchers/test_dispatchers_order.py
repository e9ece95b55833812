"""Answers out of order, through each system: what is older than what is known changes nothing, of this attempt or another.

A worker asked, and fell asleep with the answer. Another one took over, learned more and wrote it. Then the first one wakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.dispatchers import webhook
from apps.deployments.models import Deployment
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support import ordering
from tests.support.argo import argo
from tests.support.delivery import Delivery
from tests.support.dispatching import TOKEN
from tests.support.kube import kube
from tests.support.ordering import Scene, newest, overtaken, picture, settled
from tests.support.outside import delivery_via, outside_pipeline, step_engine, until
from tests.support.receiver import SECRET, receiver
from tests.support.reporting import report
from tests.support.stub_server import serving
from tests.support.stubs_aws import cloud
from tests.support.stubs_github import REPOSITORY, GitHub
from tests.support.stubs_github import TOKEN as GITHUB_TOKEN
from tests.support.stubs_gitlab import PROJECT, GitLab
from tests.support.stubs_gitlab import TOKEN as GITLAB_TOKEN
from tests.support.stubs_jenkins import JOB, USER, Jenkins
from tests.support.stubs_jenkins import TOKEN as JENKINS_TOKEN

pytestmark = pytest.mark.django_db
Patch = pytest.MonkeyPatch
OF_STACK = {"via": "cloudformation", "steps": [], "raw": {"connection": "corp", "target": "shop"}, "health": {}}
KINDS = ("gitlab", "github", "jenkins", "argocd", "flux", "kubernetes", "cloudformation", "webhook")
ENDS = [("succeeded", "running"), ("succeeded", "failed"), ("failed", "succeeded")]


class Opened:
    """The scenes; each opens its system for as long as the test lasts."""

    def __init__(self, stack: ExitStack, tmp_path: Path, patch: Patch) -> None:
        self.stack, self.tmp_path, self.patch = stack, tmp_path, patch

    def via(self, deploy: str, url: str, **values: str) -> Delivery:
        kind = deploy.partition(",")[0]
        return delivery_via(self.tmp_path, f"via: {deploy}", kind=kind, url=url, values=values or {"token": TOKEN})

    def gitlab(self) -> Scene:
        there = self.stack.enter_context(serving(GitLab()))
        delivery = self.via(f"gitlab, connection: corp, project: {PROJECT}", there.url, token=GITLAB_TOKEN)
        return Scene("gitlab", delivery, ordering.gitlab(there), lambda row: setattr(there, "head", row.commit))

    def github(self) -> Scene:
        there = self.stack.enter_context(serving(GitHub()))
        told = f"github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml"
        delivery = self.via(told, there.url, token=GITHUB_TOKEN)
        return Scene("github", delivery, ordering.github(there), lambda row: setattr(there, "head", row.commit))

    def jenkins(self) -> Scene:
        there = self.stack.enter_context(serving(Jenkins()))
        delivery = self.via(f"jenkins, connection: corp, job: {JOB}", there.url, token=JENKINS_TOKEN, user=USER)
        return Scene("jenkins", delivery, ordering.jenkins(there))

    def argocd(self) -> Scene:
        there = self.stack.enter_context(argo())
        return Scene(
            "argocd", self.via("argocd, connection: corp, application: web", there.url), ordering.argocd(there)
        )

    def flux(self) -> Scene:
        there = Flux(self.stack.enter_context(kube()))
        return Scene(
            "flux", self.via("flux, connection: corp, kustomization: all-apps", there.url), ordering.flux(there)
        )

    def kubernetes(self) -> Scene:
        there = self.stack.enter_context(kube())
        delivery = self.via("kubernetes, connection: corp, namespace: web, job: {image: 'tool:1'}", there.url)
        return Scene("kubernetes", delivery, ordering.kubernetes(there))

    def cloudformation(self) -> Scene:
        there = self.stack.enter_context(cloud())
        ordering.approved_stack(self.patch)
        delivery = Delivery.start(self.tmp_path, outside_pipeline("via: local, steps: [{name: apply, run: 'true'}]"))
        values = {"region": "eu-west-1", "accessKeyId": "AKID12345", "secretAccessKey": "secret-key-1234"}
        erin = delivery.people.erin
        corp = services.create_connection(erin, name="corp", kind="aws", url=there.url, values=values)
        services.allow_connection(erin, connection=corp, repository=delivery.repository, environments=[])
        frozen = Deployment.objects.all()
        return Scene("cloudformation", delivery, ordering.cloudformation(there), lambda _: frozen.update(plan=OF_STACK))

    def webhook(self) -> Scene:
        there = self.stack.enter_context(receiver())
        return Scene("webhook", self.via("webhook, connection: corp", there.url, secret=SECRET), ordering.webhook)


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path, settings: Any, monkeypatch: Patch) -> Iterator[Scene]:
    settings.PORTAL_LEASE_SECONDS = 60
    with ExitStack() as stack:
        yield getattr(Opened(stack, tmp_path, monkeypatch), request.param)()


def running(scene: Scene) -> Deployment:
    """A deployment whose run the other system says is under way."""
    row = until(scene.merged(), "running")
    for _ in range(4):  # the change set of CloudFormation is made, compared and executed
        step_engine()
    scene.play(newest(row), "running")
    step_engine()
    row.refresh_from_db()
    assert row.status == "running"
    return row


def tried_again(scene: Scene, row: Deployment) -> Deployment:
    """The next attempt, under way."""
    services.retry(scene.delivery.people.alice, deployment=row)
    row = until(row, "running")
    for _ in range(4):
        step_engine()
    scene.play(newest(row), "running")
    step_engine()
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("running", 2)
    return row


@pytest.mark.parametrize(("end", "older"), ENDS)
def test_an_answer_that_is_older_than_the_end_changes_nothing(
    scene: Scene, monkeypatch: Patch, end: str, older: str
) -> None:
    if scene.via == "webhook":
        older = "running"  # of reports the first that is an end is the end
    row = running(scene)
    seen: list[Any] = []

    def meanwhile() -> None:
        scene.play(newest(row), end)
        until(row, end)
        seen.append(picture(row))

    scene.play(newest(row), older)
    with monkeypatch.context() as patch:
        overtaken(patch, scene.via, meanwhile)
        step_engine()
    assert picture(row) == seen[0]
    settled(row)
    assert (row.status, picture(row)) == (end, seen[0])


@pytest.mark.parametrize("older", ["running", "failed"])
def test_an_answer_about_the_attempt_before_changes_nothing_of_the_next(
    scene: Scene, monkeypatch: Patch, older: str
) -> None:
    row = running(scene)
    seen: list[Any] = []

    def meanwhile() -> None:
        if not (scene.via == "webhook" and older == "failed"):
            scene.play(newest(row), "failed")
        until(row, "failed")
        tried_again(scene, row)
        seen.append(picture(row))

    scene.play(newest(row), older)
    with monkeypatch.context() as patch:
        overtaken(patch, scene.via, meanwhile)
        step_engine()
    assert picture(row) == seen[0]
    scene.play(newest(row), "succeeded")
    assert until(row, "succeeded", "failed").status == "succeeded"


def test_what_the_system_says_later_of_the_attempt_before_is_not_taken_for_the_next(scene: Scene) -> None:
    """Also where the system shows the last thing only, and shows the old one again: an answer out of a cache."""
    row = running(scene)
    first = newest(row)
    scene.play(first, "failed")
    until(row, "failed")
    tried_again(scene, row)
    for word in ("succeeded", "failed"):
        if scene.via == "webhook":
            with pytest.raises(Conflict):
                scene.play(first, word)
        else:
            scene.play(first, word)
        settled(row)
        assert row.status == "running", (word, row.problem)
    first.refresh_from_db()
    assert first.outcome == "failed"
    scene.play(newest(row), "failed")
    assert until(row, "succeeded", "failed").status == "failed"


def test_an_older_answer_brings_back_neither_the_link_of_a_step_nor_a_step(
    tmp_path: Path, settings: Any, monkeypatch: Patch
) -> None:
    """Of a system that names no run of its own, so nothing else of the answer is written first."""
    settings.PORTAL_LEASE_SECONDS = 60
    with ExitStack() as stack:
        scene = Opened(stack, tmp_path, monkeypatch).webhook()
        row = running(scene)
        seen: list[Any] = []

        def say(number: int, name: str) -> None:
            step = {"name": name, "status": "running", "url": f"https://runs.example/{number}"}
            report(row, f"n{number}", status="running", steps=[step])

        def meanwhile() -> None:
            say(2, "apply")
            with monkeypatch.context() as inner:  # the other worker has a newer release, which leaves such steps out
                inner.setattr(
                    webhook, "_steps_in", lambda told: [one for one in told["steps"] if one["name"] == "apply"]
                )
                step_engine()
            seen.append(picture(row))

        say(1, "apply")
        say(3, "other")
        with monkeypatch.context() as patch:
            overtaken(patch, "webhook", meanwhile)
            step_engine()
        assert picture(row) == seen[0]


def test_a_callback_after_the_end_or_out_of_turn_moves_no_end(
    tmp_path: Path, settings: Any, monkeypatch: Patch
) -> None:
    """Of reports that crossed on the way the first end is the end; what follows is refused, or kept without effect."""
    settings.PORTAL_LEASE_SECONDS = 60
    with ExitStack() as stack:
        scene = Opened(stack, tmp_path, monkeypatch).webhook()
        row = running(scene)
        attempt = newest(row)
        scene.play(attempt, "succeeded")
        scene.play(attempt, "failed")  # before any worker has looked
        scene.play(attempt, "running")
        assert until(row, "succeeded", "failed").status == "succeeded"
        before = picture(row)
        for word in ("running", "failed", "cancelled"):
            with pytest.raises(Conflict, match="succeeded already"):
                scene.play(attempt, word)
        settled(row)
        assert picture(row) == before


def test_a_report_about_a_run_of_which_nobody_knows_decides_nothing(
    tmp_path: Path, settings: Any, monkeypatch: Patch
) -> None:
    """It is kept, for whoever decides."""
    settings.PORTAL_LEASE_SECONDS = 60
    with ExitStack() as stack:
        scene = Opened(stack, tmp_path, monkeypatch).webhook()
        row = running(scene)
        attempt = newest(row)
        attempt.external_run["sent"] = "2020-01-01T00:00:00+00:00"
        attempt.save()
        until(row, "unknown")
        scene.play(attempt, "succeeded")
        settled(row)
        assert (row.status, attempt.reports.count()) == ("unknown", 2)


def test_an_error_that_comes_too_late_stops_nothing_of_the_next_attempt(
    tmp_path: Path, settings: Any, monkeypatch: Patch
) -> None:
    """The disk failed under a worker that looked at the first attempt of a local run; by now the second one runs."""
    settings.PORTAL_LEASE_SECONDS = 60  # it ends when the story says so, and not on a busy machine
    line = f"until test -e {tmp_path}/end; do sleep 0.05; done; test -e {tmp_path}/go || exit 1; sleep 60"
    steps = f"via: local, steps: [{{name: apply, run: '{line}', timeout: 90s}}]"
    delivery = Delivery.start(tmp_path, outside_pipeline(steps))
    row = until(delivery.deployment(delivery.merged()), "running")
    runs = Path(settings.PORTAL_DATA_DIR) / "runs" / str(row.number)
    seen: list[Any] = []

    def meanwhile() -> None:
        (tmp_path / "end").touch()
        until(row, "failed")
        (tmp_path / "go").touch()
        services.retry(delivery.people.alice, deployment=row)
        until(row, "running")
        step_engine()
        seen.append(Deployment.objects.get(pk=row.pk).attempts)
        raise OSError("the disk is not there")

    Deployment.objects.update(followed_at=None)  # it looks, whether there is news or not
    with monkeypatch.context() as patch:
        overtaken(patch, "local", meanwhile)
        step_engine()
    settled(row)
    assert (row.status, row.attempts, seen) == ("running", 2, [2]), row.problem
    assert not list(runs.glob("2*/cancel"))
    services.cancel(delivery.people.alice, deployment=row)
    until(row, "cancelled")
