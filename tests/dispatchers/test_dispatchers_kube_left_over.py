"""What a deployment that did not succeed brought into a cluster goes with the next one that no longer renders it, and is drift until then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments import queries, services
from apps.deployments.jobs import brought, sending
from apps.deployments.jobs.drift_looks import looked, looks_at
from apps.deployments.models import Attempt, Connection, Deployment
from tests.dispatchers.test_dispatchers_kube_stories import cluster_delivery, merged, two
from tests.support.delivery import Delivery, run_jobs
from tests.support.dispatching import TOKEN
from tests.support.kube import Kube, kube
from tests.support.outside import step_engine, until

pytestmark = pytest.mark.django_db
BAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad}
spec:
  replicas: 1
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: 'x:1'}]}}
"""
NOTHING = "# It renders nothing any more.\n"
STALLED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no"}


class Killed(BaseException):
    """As a signal ends a worker."""


@pytest.fixture
def there() -> Iterator[Kube]:
    with kube() as found:
        yield found


@pytest.fixture
def delivery(tmp_path: Path, there: Kube) -> Delivery:
    """Its first deployment has succeeded, with the ConfigMap ``two``."""
    found = cluster_delivery(tmp_path, there)
    assert until(merged(found, "first", {"k8s/two.yaml": two()}), "succeeded", "failed").status == "succeeded"
    return found


def bring(delivery: Delivery) -> Deployment:
    """It brings ``extra`` and ``bad``, and nothing of it has begun."""
    return merged(delivery, "second", {"k8s/bad.yaml": BAD, "k8s/extra.yaml": two("extra")})


def stalled(delivery: Delivery, there: Kube) -> Deployment:
    """It has brought both, and its roll-out does not get on."""
    row = bring(delivery)
    for _ in range(30):
        step_engine()
        if ("deployments", "web", "bad") in there.objects:
            break
    there.status("deployments", "bad", {"conditions": [STALLED]})
    assert until(row, "failed", "succeeded").status == "failed"
    return row


def roll_back(delivery: Delivery, row: Deployment) -> Deployment:
    inverse = services.roll_back(delivery.people.carol, deployment=row)
    run_jobs()
    if ChangeRequest.objects.get(pk=inverse.pk).status == "in_review":
        delivery.approve(inverse)
    run_jobs("deployments.merge_when_allowed")
    run_jobs("deployments.carry_out_merges")
    return done(Deployment.objects.get(change=inverse))


def without_them(delivery: Delivery, name: str = "third") -> Deployment:
    """A change that takes both files out of Git again."""
    files = {"k8s/bad.yaml": NOTHING, "k8s/extra.yaml": NOTHING}
    return done(merged(delivery, name, files))


def done(row: Deployment) -> Deployment:
    assert until(row, "succeeded", "failed").status == "succeeded", row.problem
    return row


def names(there: Kube) -> set[str]:
    return {name for plural, _, name in there.objects if plural != "namespaces"}


def drift() -> list[tuple[str, str, str]]:
    """Of what is live, as a look tells it now."""
    rows = Deployment.objects.select_related("environment__live_deployment", "environment__repository", "change")
    (environment,) = {row.environment for row in rows}
    assert environment.live_deployment is not None
    (look,) = looks_at(rows.get(pk=environment.live_deployment.pk))
    found, problem = looked(look)
    assert found is not None, problem
    assert not found.problems
    return [(one.resource, one.kind, one.found) for one in found.findings]


def log(row: Deployment) -> str:
    return "\n".join(event.text for event in queries.events(row))


def test_what_a_failed_deployment_brought_goes_with_its_roll_back(delivery: Delivery, there: Kube) -> None:
    row = stalled(delivery, there)
    assert names(there) == {"one", "two", "s", "bad", "extra"}
    left = f"brought by {row.label}, which failed"
    assert drift() == [("Deployment web/bad", "extra", left), ("ConfigMap web/extra", "extra", left)]
    back = roll_back(delivery, row)
    assert names(there) == {"one", "two", "s"}
    assert f"ConfigMap web/extra: deleted; brought by {row.label}, which failed" in log(back)
    assert drift() == []


def test_what_failed_deployments_brought_goes_with_a_change_that_renders_it_no_more(
    delivery: Delivery, there: Kube
) -> None:
    stalled(delivery, there)
    other = merged(delivery, "other", {"k8s/more.yaml": two("more")})
    until(other, "failed")  # still stalled
    files = {"k8s/bad.yaml": NOTHING, "k8s/extra.yaml": NOTHING, "k8s/two.yaml": NOTHING}
    done(merged(delivery, "third", files))
    assert names(there) == {"one", "s", "more"}
    done(merged(delivery, "fourth", {"k8s/more.yaml": NOTHING}))
    assert names(there) == {"one", "s"}


def test_what_was_applied_before_somebody_cancelled_goes_too(delivery: Delivery, there: Kube) -> None:
    row = bring(delivery)
    for _ in range(30):
        step_engine()
        if ("deployments", "web", "bad") in there.objects:
            break
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled", "failed").status == "cancelled"
    without_them(delivery)
    assert names(there) == {"one", "two", "s"}


def test_what_was_sent_and_never_answered_goes_too(delivery: Delivery, there: Kube) -> None:
    secret = (
        two("a-secret").replace("ConfigMap", "Secret").replace("\ndata", "\nstringData")
    )  # the first that is applied
    row = until(merged(delivery, "second", {"k8s/extra.yaml": secret}), "running")
    assert "a-secret" not in names(there)  # all was tried, and stored, before the first write
    there.drop = "PATCH"
    step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled", "failed").status == "cancelled"
    assert names(there) == {"one", "two", "s", "a-secret"}
    assert drift() == [("Secret web/a-secret", "extra", f"brought by {row.label}, which was cancelled")]
    without_them(delivery)
    assert names(there) == {"one", "two", "s"}


def test_what_a_worker_had_applied_when_it_was_killed_goes_too(
    delivery: Delivery, there: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = until(bring(delivery), "running")

    def killed(point: str) -> None:
        if point == "K13":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sending, "failpoint", killed)
        with pytest.raises(Killed):
            step_engine()
    assert names(there) == {"one", "two", "s", "bad", "extra"}
    assert Attempt.objects.get(deployment=row).external_run["ledger"] == []
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled", "failed").status == "cancelled"
    without_them(delivery)
    assert names(there) == {"one", "two", "s"}


def test_what_is_rendered_still_is_neither_deleted_nor_made_anew(delivery: Delivery, there: Kube) -> None:
    stalled(delivery, there)
    uid = there.objects["configmaps", "web", "extra"]["metadata"]["uid"]
    done(merged(delivery, "third", {"k8s/bad.yaml": NOTHING}))
    assert names(there) == {"one", "two", "s", "extra"}
    assert there.objects["configmaps", "web", "extra"]["metadata"]["uid"] == uid


def test_what_was_refused_before_anything_was_written_is_not_asked_for(delivery: Delivery, there: Kube) -> None:
    there.answers["PATCH configmaps"] = [403]
    assert until(bring(delivery), "failed").status == "failed"
    there.requests.clear()
    without_them(delivery)
    assert not [path for _, path in there.requests if "extra" in path or "bad" in path]


def test_what_somebody_made_of_the_same_name_stays(delivery: Delivery, there: Kube) -> None:
    stalled(delivery, there)
    there.objects["configmaps", "web", "extra"]["metadata"]["uid"] = "made-anew"
    there.objects["deployments", "web", "bad"]["metadata"]["labels"] = {}
    assert drift() == []
    without_them(delivery)
    assert names(there) == {"one", "two", "s", "bad", "extra"}


def test_what_was_brought_through_another_connection_is_not_looked_for(delivery: Delivery, there: Kube) -> None:
    row = stalled(delivery, there)
    erin = delivery.people.erin
    other = services.create_connection(erin, name="b", kind="kubernetes", url=there.url, values={"token": TOKEN})
    Attempt.objects.filter(deployment=row).update(connection=other)
    assert drift() == []
    without_them(delivery)
    assert names(there) == {"one", "two", "s", "bad", "extra"}


def test_success_through_another_connection_ends_what_is_known(delivery: Delivery, there: Kube) -> None:
    row = stalled(delivery, there)
    without_them(delivery)
    newest = Attempt.objects.latest("pk")
    assert {one.name for one in brought.brought_before(newest)} == {"one", "two", "s", "bad", "extra"}
    other = Connection.objects.get()
    other.pk, other.name = None, "b"
    other.save()
    Attempt.objects.filter(deployment=row).update(outcome="succeeded", connection=other)
    assert brought.brought_before(newest) == ()


def test_of_many_attempts_the_newest_count_beside_the_last_success(
    delivery: Delivery, there: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brought, "MOST_ATTEMPTS", 1)
    stalled(delivery, there)
    until(merged(delivery, "other", {"k8s/bad.yaml": BAD, "k8s/more.yaml": two("more")}), "failed")
    files = {"k8s/bad.yaml": NOTHING, "k8s/more.yaml": NOTHING, "k8s/extra.yaml": NOTHING, "k8s/two.yaml": NOTHING}
    done(merged(delivery, "third", files))
    assert names(there) == {"one", "s"}  # `extra` was rendered by both
