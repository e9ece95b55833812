"""Between the end of what is not healthy and the roll-back that portal.yaml asks for, nothing brings the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.jobs import health
from apps.deployments.jobs.automatic import merge_when_allowed
from apps.deployments.jobs.starting import start
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.rolling_back import roll_back_of
from tests.deployments.test_deployments_outside_changes import look
from tests.deployments.test_deployments_smaller_gate import asked, failed, live
from tests.support.delivery import Delivery

pytestmark = pytest.mark.django_db
STAGING = """\
apiVersion: portal/v1
environments: {staging: {}}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
rollback: {protected: 1, others: 1}
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, STAGING)


def failed_there(delivery: Delivery) -> Deployment:
    """What failed by its health in staging a moment ago, on top of what was good and is what it runs."""
    good = delivery.deployment(live(delivery, "good", "staging"))
    row = delivery.deployment(live(delivery, "bad"))
    failed(row)
    Environment.objects.update(live_deployment=good, live_commit=good.commit, live_since=good.ended_at)
    return row


def unhealthy(delivery: Delivery) -> Deployment:
    """The same, where portal.yaml says to roll it back and that was not asked for yet."""
    row = failed_there(delivery)
    Deployment.objects.filter(pk=row.pk).update(rollback_due=True)
    return row


def begun(change: ChangeRequest, delivery: Delivery) -> Deployment:
    """The deployment of ``change`` to staging, after the job that starts what can start has seen it."""
    row = delivery.deployment(change)
    start(row.pk)
    row.refresh_from_db()
    return row


def test_what_contains_it_waits_for_the_roll_back_that_is_about_to_be_made(delivery: Delivery) -> None:
    bad = unhealthy(delivery)
    after = delivery.merged("after", {"app/after.yaml": "after: something else\n"})
    row = begun(after, delivery)
    assert (row.status, [wait["code"] for wait in row.waits]) == ("pending", ["rollback"])
    said = f"{bad.label} is not healthy, and the roll-back that portal.yaml asks for is about to be made: it takes {bad.change.label}"
    assert row.waits[0]["text"].startswith(said)
    health.roll_back_unhealthy(bad.pk)
    inverse = ChangeRequest.objects.get(kind="rollback")
    row = begun(after, delivery)
    assert (row.status, row.attempts, [wait["code"] for wait in row.waits]) == ("pending", 0, ["rollback"])
    assert row.waits[0]["text"].startswith(inverse.label)


def test_it_ends_when_it_is_decided_that_nothing_is_rolled_back(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = unhealthy(delivery)
    after = delivery.merged("after", {"app/after.yaml": "after: something else\n"})
    assert begun(after, delivery).status == "pending"

    def refused(_row: Deployment) -> Any:
        raise Conflict("rollback_conflict", "Later changes stand in the way.")

    monkeypatch.setattr(health, "roll_back_by_rule", refused)
    health.roll_back_unhealthy(bad.pk)
    assert begun(after, delivery).status != "pending"


def test_who_begins_it_again_does_not_wait_for_it(delivery: Delivery) -> None:
    bad = unhealthy(delivery)
    services.retry(delivery.people.carol, deployment=bad)
    assert begun(bad.change, delivery).status != "pending"


def emptied(delivery: Delivery) -> tuple[ChangeRequest, ChangeRequest]:
    """What was bad, and its roll-back, which waits for an approval while somebody else took the same out of the branch."""
    live(delivery, "good", "staging")
    bad = live(delivery, "bad", "staging")
    inverse = asked(delivery, bad)
    return bad, inverse


def take_out_by_hand(delivery: Delivery) -> None:
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    delivery.work.run("rm", "-q", "app/bad.yaml")
    delivery.work.commit("By hand", author="Kim <kim@example.org>")
    delivery.work.push("main")
    look(delivery)


def test_a_roll_back_of_which_nothing_is_left_withdraws_itself(delivery: Delivery) -> None:
    bad, inverse = emptied(delivery)
    merge_when_allowed(inverse.pk)
    inverse.refresh_from_db()
    assert inverse.status == "in_review", "it waits for its approval"
    take_out_by_hand(delivery)
    assert roll_back_of(delivery.deployment(bad)).why_not == f"Nothing of {bad.label} is left on main."
    merge_when_allowed(inverse.pk)
    inverse.refresh_from_db()
    assert (inverse.status, inverse.merge_when_allowed_by) == ("withdrawn", None)
    entry = AuditEntry.objects.get(action="change.withdrawn", change_number=inverse.number)
    assert entry.summary == f"{inverse.label} is withdrawn by itself. Nothing of what it takes back is left on main."
    with pytest.raises(Conflict) as refusal:
        asked(delivery, bad)
    assert refusal.value.code == "nothing_to_undo"


def test_it_stays_as_long_as_it_alone_keeps_what_was_bad_from_coming_again(delivery: Delivery) -> None:
    inverse = asked(delivery, failed_there(delivery).change)
    after = delivery.merged("after", {"app/after.yaml": "after: something else\n"})
    assert [wait["code"] for wait in begun(after, delivery).waits] == ["rollback"]
    take_out_by_hand(delivery)
    merge_when_allowed(inverse.pk)
    inverse.refresh_from_db()
    assert inverse.status == "in_review"
    row = delivery.deployment(after)
    services.cancel(delivery.people.carol, deployment=row)
    merge_when_allowed(inverse.pk)
    inverse.refresh_from_db()
    assert inverse.status == "withdrawn"
