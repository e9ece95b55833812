"""For what a roll-back skips gate, order and windows: only for what was live wherever it goes, and for nothing that comes along."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.changes.services import retarget
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.jobs.health import roll_back_unhealthy
from apps.deployments.jobs.starting import start
from apps.deployments.models import Deployment, Environment
from apps.presentation.rollback_page import rollback_page
from apps.reviews.emergencies import restores_earlier_state
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
IN_ORDER = """\
apiVersion: portal/v1
environments:
  staging: {}
  production: {after: [staging], soak: 30m}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
rollback: {protected: 1, others: 1}
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, IN_ORDER)


def live(delivery: Delivery, name: str, *environments: str) -> ChangeRequest:
    """A change that became live in these, after everything before; elsewhere it waits."""
    change = delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"})
    run_jobs("deployments.start")
    for place in environments:
        row = delivery.deployment(change, place)
        Deployment.objects.filter(pk=row.pk).update(status="succeeded", became_live=True)
        columns = {"live_deployment": row, "live_commit": row.commit}
        Environment.objects.filter(pk=row.environment_id).update(**columns)
    return change


def failed(row: Deployment) -> None:
    Deployment.objects.filter(pk=row.pk).update(status="failed", attempts=1, became_live=False)


def asked(delivery: Delivery, change: ChangeRequest) -> ChangeRequest:
    return services.roll_back(delivery.people.carol, deployment=delivery.deployment(change))


def merged(delivery: Delivery, inverse: ChangeRequest) -> ChangeRequest:
    delivery.approve(inverse)
    for _ in range(2):
        run_jobs("deployments.merge_when_allowed", "deployments.carry_out_merges")
    inverse.refresh_from_db()
    assert inverse.merge_commit
    return inverse


def test_what_was_approved_and_never_live_does_not_come_back_by_the_smaller_gate(delivery: Delivery) -> None:
    live(delivery, "good", "staging", "production")
    bad = live(delivery, "bad")
    for place in ("staging", "production"):
        failed(delivery.deployment(bad, place))
    inverse = asked(delivery, bad)
    assert restores_earlier_state(inverse)
    merged(delivery, inverse)
    run_until_idle()
    assert Environment.objects.filter(live_commit=inverse.merge_commit).count() == 2
    page = rollback_page(delivery.people.carol, delivery.deployment(inverse))
    assert page.gate is not None
    assert not page.gate.restores
    again = asked(delivery, inverse)
    assert not restores_earlier_state(again)
    Deployment.objects.filter(change=bad, environment__name="staging").update(became_live=True)
    assert not restores_earlier_state(again), "it is for production, too"
    Deployment.objects.filter(change=bad).update(became_live=True)
    assert restores_earlier_state(again)


def test_what_comes_along_with_a_roll_back_keeps_the_order(delivery: Delivery, client: Client) -> None:
    bad = live(delivery, "bad", "staging", "production")
    new = live(delivery, "new", "staging")
    client.force_login(delivery.people.carol)
    shown = client.get(f"/deployments/{delivery.deployment(bad).number}/rollback/").content.decode()
    assert f'To <b>production</b> it brings <a href="/changes/{new.number}/">{new.label}</a>' in shown
    inverse = merged(delivery, asked(delivery, bad))
    row = delivery.deployment(inverse, "production")
    for code in ("promotion", "soak"):
        start(row.pk)
        row.refresh_from_db()
        assert [wait["code"] for wait in row.waits] == [code]
        said = row.waits[0]["text"]
        assert f"It brings {new.label}, which production does not run yet." in said
        assert "bring an earlier state back to production" in said
        run_until_idle()
    Deployment.objects.filter(pk=delivery.deployment(new, "production").pk).update(status="succeeded", became_live=True)
    Environment.objects.filter(name="production").update(live_deployment=delivery.deployment(new, "production"))
    start(row.pk)
    row.refresh_from_db()
    assert row.status == "succeeded", "there is nothing that would come along"


def test_environments_that_fail_together_are_rolled_back_together(delivery: Delivery) -> None:
    live(delivery, "good", "staging", "production")
    bad = live(delivery, "bad")
    rows = [delivery.deployment(bad, place) for place in ("staging", "production")]
    for row in rows:
        failed(row)
        Deployment.objects.filter(pk=row.pk).update(rollback_due=True)
        roll_back_unhealthy(row.pk)
    inverse = ChangeRequest.objects.get(rolls_back=bad)
    assert f"{inverse.label} takes it back here, too." in rows[1].events.order_by("-seq")[0].text
    merged(delivery, inverse)
    Deployment.objects.filter(pk=rows[0].pk).update(rollback_due=True)
    roll_back_unhealthy(rows[0].pk)
    assert f"{inverse.label} takes it back here, too." in rows[0].events.order_by("-seq")[0].text
    assert not AuditEntry.objects.filter(action="rollback.refused").exists()


def test_a_roll_back_goes_to_no_other_branch(delivery: Delivery) -> None:
    bad = live(delivery, "bad", "staging")
    delivery.work.run("push", "-q", "origin", "origin/main:refs/heads/release")
    inverse = asked(delivery, bad)
    with pytest.raises(Conflict, match="takes back what is on main") as refused:
        retarget(delivery.people.carol, change=inverse, target_branch="release")
    assert refused.value.code == "rollback"
