"""What was brought back to one environment is on the branch for all: where it did not go, what to do is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.deployments.queries.returning import return_to
from apps.deployments.queries.rolling_back import roll_back_of
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db
SHARED = """\
apiVersion: portal/v1
environments:
  one: {}
  two: {after: [one]}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
rollback: {protected: 0, others: 0}
"""


def landed(delivery: Delivery, name: str, text: str) -> ChangeRequest:
    change = delivery.merged(name, {"app/values.yaml": text})
    run_until_idle()
    return change


@pytest.fixture
def brought_back(tmp_path: Path) -> tuple[Delivery, ChangeRequest, ChangeRequest, ChangeRequest]:
    """The world, what was brought back to two, what came after it and still runs in one, and the change that brought it back."""
    delivery = Delivery.start(tmp_path, SHARED)
    first, second = landed(delivery, "first", "v: 1\n"), landed(delivery, "second", "v: 2\n")
    back = services.bring_back(delivery.people.carol, deployment=delivery.deployment(first, "two"))
    run_until_idle()
    back.refresh_from_db()
    assert back.merge_commit
    assert not Deployment.objects.filter(change=back, environment__name="one").exists()
    return delivery, first, second, back


def why_not(row: Deployment) -> Conflict:
    with pytest.raises(Conflict) as refusal:
        return_to(row)
    assert refusal.value.code == "nothing_to_undo"
    return refusal.value


def test_where_it_did_not_go_the_change_that_brings_it_is_named(
    brought_back: tuple[Delivery, ChangeRequest, ChangeRequest, ChangeRequest], client: Client
) -> None:
    delivery, first, second, back = brought_back
    way_out = f"one runs without {back.label}: deploy {back.label} to one."
    earlier, later = delivery.deployment(first, "one"), delivery.deployment(second, "one")
    problem = why_not(earlier)
    assert problem.message.endswith(f"as {earlier.label} had it. {way_out}")
    assert problem.details == {"change": back.number}
    assert roll_back_of(later).why_not == f"Nothing of {second.label} is left on main. {way_out}"
    client.force_login(delivery.people.carol)
    for page in (f"/deployments/{earlier.number}/bring-back/", f"/deployments/{later.number}/rollback/"):
        shown = client.get(page).content.decode()
        assert way_out in shown
        assert f'href="/changes/{back.number}/deployments/">Deploy {back.label}</a>' in shown
    answer = client.get(f"/api/v1/deployments/{earlier.number}/bring-back/").json()
    assert answer["why_not"].endswith(way_out)


def test_when_it_is_there_nothing_more_is_to_be_done(
    brought_back: tuple[Delivery, ChangeRequest, ChangeRequest, ChangeRequest],
) -> None:
    delivery, first, second, back = brought_back
    services.start_deployment(delivery.people.carol, change=back, environment="one")
    assert "runs without" not in why_not(delivery.deployment(first, "one")).message, "it is on its way"
    run_until_idle()
    assert delivery.deployment(back, "one").status == "succeeded"
    assert why_not(delivery.deployment(first, "one")).details == {}
    assert roll_back_of(delivery.deployment(second, "one")).why_not == f"Nothing of {second.label} is left on main."
    assert roll_back_of(delivery.deployment(second, "two")).why_not == f"Nothing of {second.label} is left on main."
