"""A roll-back through Argo CD and Flux is a revert in Git that they sync: their own roll-back is never used against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.vcs import objects
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support.argo import Argo, argo
from tests.support.delivery import Delivery, run_jobs
from tests.support.dispatching import TOKEN
from tests.support.kube import kube
from tests.support.outside import delivery_via, step_engine, until

pytestmark = pytest.mark.django_db


@pytest.fixture
def cd(settings: Any) -> Iterator[Argo]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 5
    with argo() as found:
        yield found


@pytest.fixture
def there() -> Iterator[Flux]:
    with kube() as found:
        yield Flux(found)


def via_argo(tmp_path: Path, cd: Argo) -> Delivery:
    deploy = "via: argocd, connection: corp, application: web, timeout: 10m"
    return delivery_via(tmp_path, deploy, kind="argocd", url=cd.url, values={"token": TOKEN})


def long_ago(cd: Argo) -> None:
    """What Argo CD did last was before anything that is asked for now; its clock has whole seconds."""
    cd.status["operationState"] |= {"startedAt": "2020-01-01T00:00:00Z", "finishedAt": "2020-01-01T00:00:01Z"}
    for row in cd.status["history"]:
        row["deployedAt"] = "2020-01-01T00:00:01Z"


def deployed(delivery: Delivery, name: str, play: Callable[[Deployment], None], content: str) -> Deployment:
    row = until(delivery.deployment(delivery.merged(name, {"app/values.yaml": content})), "running")
    step_engine()
    play(row)
    return until(row, "succeeded")


def back_to_running(delivery: Delivery, row: Deployment, act: Callable[[], ChangeRequest]) -> Deployment:
    """The deployment of the roll-back that ``act`` asks for, dispatched."""
    back = act()
    run_jobs("deployments.merge_when_allowed")
    run_jobs("deployments.carry_out_merges")
    found = until(delivery.deployment(back), "running")
    step_engine()
    assert found.kind == "rollback"
    return found


def is_on_top(delivery: Delivery, found: Deployment, row: Deployment) -> None:
    """What is synced is the tip of the branch, made on top of what it takes back: no history was replaced."""
    assert delivery.work.run("ls-remote", "origin", "refs/heads/main").split()[0] == found.commit
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("merge-base", "--is-ancestor", row.commit, found.commit)


def test_argo_with_automated_sync_comes_to_the_revert_by_itself(tmp_path: Path, cd: Argo) -> None:
    cd.app["spec"]["syncPolicy"] = {"automated": {"prune": True, "selfHeal": True}}
    delivery = via_argo(tmp_path, cd)

    def play(row: Deployment) -> None:
        cd.operate(row.commit)

    first = deployed(delivery, "one", play, "a: 1\n")
    long_ago(cd)
    second = deployed(delivery, "two", play, "a: 2\n")
    long_ago(cd)
    found = back_to_running(delivery, second, lambda: services.roll_back(delivery.people.carol, deployment=second))
    is_on_top(delivery, found, second)
    git_dir = delivery.repository.mirror_path
    assert objects.commit_tree_oid(git_dir, found.commit) == objects.commit_tree_oid(git_dir, first.commit)
    cd.operate(found.commit)
    found = until(found, "succeeded")
    found.environment.refresh_from_db()
    assert found.environment.live_commit == found.commit
    assert cd.synced == []
    assert not [path for _, path, _ in cd.requests if "rollback" in path]


def test_argo_without_it_is_synced_to_the_revert(tmp_path: Path, cd: Argo) -> None:
    delivery = via_argo(tmp_path, cd)

    def play(_: Deployment) -> None:
        cd.begin()
        cd.end()

    first = deployed(delivery, "one", play, "a: 1\n")
    second = deployed(delivery, "two", play, "a: 2\n")
    found = back_to_running(delivery, second, lambda: services.bring_back(delivery.people.carol, deployment=first))
    is_on_top(delivery, found, second)
    assert [one["revision"] for one in cd.synced] == [first.commit, second.commit, found.commit]
    play(found)
    until(found, "succeeded")
    assert not [path for _, path, _ in cd.requests if "rollback" in path]


def test_flux_is_believed_when_it_names_the_revert(tmp_path: Path, there: Flux) -> None:
    deploy = "via: flux, connection: corp, kustomization: all-apps"
    delivery = delivery_via(tmp_path, deploy, kind="flux", url=there.url, values={"token": TOKEN})

    def play(row: Deployment) -> None:
        there.fetch(row.commit)
        there.reconcile(row.commit)

    first = deployed(delivery, "one", play, "a: 1\n")
    second = deployed(delivery, "two", play, "a: 2\n")
    found = back_to_running(delivery, second, lambda: services.roll_back(delivery.people.carol, deployment=second))
    is_on_top(delivery, found, second)
    there.reconcile(first.commit)  # the same content under the old commit is not the revert
    step_engine()
    found.refresh_from_db()
    assert found.status == "running"
    play(found)
    found = until(found, "succeeded")
    found.environment.refresh_from_db()
    assert found.environment.live_commit == found.commit
