"""An environment that portal.yaml does not define any more: nothing starts there, and everything that was stays visible."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.jobs import landing
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.groups import waiting_for_start
from apps.presentation.deployment_page import actions_of
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db
STEPS = 'steps: [{name: apply, run: "true"}]'
BOTH = f"""\
apiVersion: portal/v1
environments:
  old: {{deploy: {{start: manual, {STEPS}}}}}
  new: {{deploy: {{start: manual, {STEPS}}}}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
ONLY_NEW = BOTH.replace(f"  old: {{deploy: {{start: manual, {STEPS}}}}}\n", "")


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, BOTH)


@pytest.fixture
def waiting(delivery: Delivery) -> Deployment:
    """It waits for Start in ``old``."""
    return delivery.deployment(delivery.merged("one"), "old")


def define(delivery: Delivery, text: str, name: str) -> None:
    delivery.merged(name, {".gitops/portal.yaml": text})
    assert Environment.objects.get(name="old").defined == (text == BOTH)


def looked_at(row: Deployment) -> Deployment:
    """The row when all that is due was done."""
    Deployment.objects.filter(pk=row.pk).update(check_at=now())
    run_until_idle()
    return Deployment.objects.get(pk=row.pk)


def codes(row: Deployment) -> list[str]:
    return [wait["code"] for wait in row.waits]


@pytest.mark.parametrize("how", ["released", "scheduled"])
def test_what_waited_for_its_start_is_held_until_the_environment_is_defined_again(
    delivery: Delivery, waiting: Deployment, how: str
) -> None:
    define(delivery, ONLY_NEW, "two")
    past = now() - timedelta(minutes=1) if how == "scheduled" else None
    carol = delivery.people.carol
    Deployment.objects.filter(pk=waiting.pk).update(manual_start=False, start_at=past, scheduled_by=carol)
    row = looked_at(waiting)
    assert (row.status, codes(row), row.attempts) == ("pending", ["not_defined"], 0)
    said = "portal.yaml defines no environment old any more, so nothing starts there. Define old again, or cancel this."
    assert row.waits[0]["text"] == said
    define(delivery, BOTH, "three")
    row = looked_at(waiting)
    assert (row.status, row.attempts) == ("succeeded", 1)


def test_a_roll_back_is_held_there_too(delivery: Delivery, waiting: Deployment) -> None:
    define(delivery, ONLY_NEW, "two")
    Deployment.objects.filter(pk=waiting.pk).update(kind="rollback", manual_start=False)
    row = looked_at(waiting)
    assert (row.status, codes(row)) == ("pending", ["not_defined"])


def test_the_file_counts_before_the_rows_have_followed_it(delivery: Delivery, waiting: Deployment) -> None:
    define(delivery, ONLY_NEW, "two")
    Environment.objects.update(defined=True)
    Deployment.objects.filter(pk=waiting.pk).update(manual_start=False)
    row = looked_at(waiting)
    assert (row.status, codes(row)) == ("pending", ["not_defined"])


def test_nothing_is_scheduled_there_and_a_schedule_can_be_taken_back(delivery: Delivery, waiting: Deployment) -> None:
    alice, soon = delivery.people.alice, now() + timedelta(hours=1)
    services.schedule_deployment(alice, deployment=waiting, at=soon)
    define(delivery, ONLY_NEW, "two")
    with pytest.raises(Conflict, match="defines no environment old any more") as refused:
        services.schedule_deployment(alice, deployment=waiting, at=soon)
    assert refused.value.code == "not_defined"
    actions = actions_of(alice, Deployment.objects.get(pk=waiting.pk))
    assert (actions.start, actions.schedule, actions.cancel) == (False, False, True)
    assert services.schedule_deployment(alice, deployment=waiting, at=None).start_at is None
    assert [row.environment.name for row in waiting_for_start(waiting.change)] == ["new"]


def test_nothing_is_brought_back_there(delivery: Delivery, waiting: Deployment) -> None:
    services.release(delivery.people.alice, deployment=waiting)
    row = looked_at(waiting)
    define(delivery, ONLY_NEW, "two")
    with pytest.raises(Conflict, match="defines no environment old any more"):
        services.bring_back(delivery.people.carol, deployment=row)


def test_page_and_api_say_why_and_keep_the_history(delivery: Delivery, waiting: Deployment, client: Client) -> None:
    define(delivery, ONLY_NEW, "two")
    looked_at(waiting)
    client.force_login(delivery.people.alice)
    own = f"/deployments/{waiting.number}/"
    for address in (own, f"/environments/{delivery.repository.name}/old/"):
        page = client.get(address)
        assert page.status_code == 200
        assert waiting.label in page.content.decode()
    assert "portal.yaml defines no environment old any more" in client.get(own).content.decode()
    told = client.get(f"/api/v1/deployments/{waiting.number}/").json()
    assert [wait["code"] for wait in told["waits"]] == ["not_defined"]
    services.cancel(delivery.people.alice, deployment=waiting)
    assert Deployment.objects.get(pk=waiting.pk).status == "cancelled"


def test_a_change_from_before_an_environment_was_defined_is_not_deployed_there(tmp_path: Path, client: Client) -> None:
    """Its commit says nothing of how: that would have succeeded without running anything, and been live."""
    delivery = Delivery.start(tmp_path, ONLY_NEW)
    early = delivery.merged("early")
    late = delivery.merged("late", {".gitops/portal.yaml": BOTH})
    with pytest.raises(Conflict, match="has no environment old") as refused:
        services.start_deployment(delivery.people.carol, change=early, environment="old")
    assert refused.value.code == "not_defined_then"
    assert not Deployment.objects.filter(change=early, environment__name="old").exists()
    assert Environment.objects.get(name="old").live_commit == ""
    client.force_login(delivery.people.carol)
    Deployment.objects.update(status="failed")
    offered = [client.get(f"/changes/{row.number}/deployments/").content.decode() for row in (early, late)]
    assert ["deploy/?environment=old" in shown for shown in offered] == [False, True]
    assert all("deploy/?environment=new" in shown for shown in offered)


def test_a_roll_back_is_not_created_where_its_own_commit_defines_nothing(tmp_path: Path) -> None:
    """The branch may have gone on, and define more by the time at which a merge is recorded."""
    delivery = Delivery.start(tmp_path, ONLY_NEW)
    early = delivery.merged("early")
    delivery.merged("late", {".gitops/portal.yaml": BOTH})
    early.kind, early.rollback_environments = early.Kind.ROLLBACK, ["old", "new"]
    early.save()
    Deployment.objects.filter(change=early).update(status="failed")
    intent = early.merge_intents.select_related("change__repository", "revision", "requested_by").get()
    rows = {row.name: row for row in Environment.objects.filter(repository=delivery.repository)}
    assert landing._create_deployments(intent, early.merge_commit, rows)
    assert [row.environment.name for row in Deployment.objects.filter(change=early)] == ["new", "new"]
