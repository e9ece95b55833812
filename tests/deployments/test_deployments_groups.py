"""One press starts a change in a whole group of environments, canaries first."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput, NotAllowed
from apps.deployments import services as deployments
from apps.deployments.models import Deployment
from apps.deployments.queries.groups import groups_of, startable
from apps.deployments.services import grouping
from apps.repositories.models import RepositoryRole
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {deploy: {via: local, steps: [{name: apply, run: "true"}]}}
  prod-canary: {after: [staging], deploy: {via: local, start: manual, steps: [{name: apply, run: "true"}]}}
  prod-eu: {after: [prod-canary], deploy: {via: local, start: manual, steps: [{name: apply, run: "true"}]}}
  prod-us: {after: [prod-canary], deploy: {via: local, start: manual, steps: [{name: apply, run: "true"}]}}
  lab: {deploy: {via: local, start: manual, steps: [{name: apply, run: "true"}]}}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
"""
PROD = ["prod-canary", "prod-eu", "prod-us"]


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, YAML)


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    """Live in staging, and waiting for a start everywhere else."""
    found = delivery.merged()
    run_until_idle()
    return found


def states(change: ChangeRequest) -> dict[str, str]:
    return dict(Deployment.objects.filter(change=change).values_list("environment__name", "status"))


def order(change: ChangeRequest) -> list[str]:
    rows = Deployment.objects.filter(change=change, environment__name__startswith="prod").order_by(
        "started_at", "number"
    )
    return [row.environment.name for row in rows]


def test_a_group_is_listed_in_order_with_what_becomes_live(change: ChangeRequest) -> None:
    assert groups_of(change) == (("prod", 3), ("lab", 1))
    rows = startable(change, group="prod")
    assert [row.name for row in rows] == PROD
    assert [[one.pk for one in row.coming.changes] for row in rows] == [[change.pk]] * 3
    assert rows[0].held == ()
    assert "prod-canary must come first" in rows[1].held[0]


def test_one_press_starts_all_of_the_group_and_the_canary_goes_first(delivery: Delivery, change: ChangeRequest) -> None:
    done = deployments.start_group(delivery.people.carol, change=change, group="prod")
    assert [(row.environment, row.started) for row in done] == [(name, True) for name in PROD]
    said = AuditEntry.objects.filter(action="deployment.requested", summary__contains="pressed Start")
    assert [row.environment for row in said.order_by("pk")] == PROD
    run_until_idle()
    assert states(change) == {"staging": "succeeded", **dict.fromkeys(PROD, "succeeded"), "lab": "pending"}
    assert order(change)[0] == "prod-canary"


def test_only_what_was_chosen_starts(delivery: Delivery, change: ChangeRequest) -> None:
    deployments.start_group(delivery.people.carol, change=change, environments=["prod-canary", "prod-us"])
    run_until_idle()
    found = states(change)
    assert (found["prod-canary"], found["prod-us"], found["prod-eu"]) == ("succeeded", "succeeded", "pending")


def test_a_canary_that_fails_holds_the_others(delivery: Delivery, change: ChangeRequest) -> None:
    row = delivery.deployment(change, "prod-canary")
    plan = {**row.plan, "steps": [{**row.plan["steps"][0], "run": "false"}]}
    Deployment.objects.filter(pk=row.pk).update(plan=plan)
    deployments.start_group(delivery.people.carol, change=change, group="prod")
    run_until_idle()
    found = states(change)
    assert (found["prod-canary"], found["prod-eu"], found["prod-us"]) == ("failed", "pending", "pending")


def test_one_that_is_refused_leaves_the_others(
    delivery: Delivery, change: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else started it between the list and the press."""
    carol, row = delivery.people.carol, delivery.deployment(change, "prod-eu")
    listed = grouping.waiting_for_start(change)
    deployments.release(carol, deployment=row)
    monkeypatch.setattr(grouping, "waiting_for_start", lambda _: listed)
    done = deployments.start_group(carol, change=change, group="prod")
    assert [row.started for row in done] == [True, False, True]
    assert "does not wait for a start by hand" in done[1].text
    assert (
        AuditEntry.objects.filter(
            action="deployment.requested", environment="prod-eu", summary__contains="Start"
        ).count()
        == 1
    )


def test_nothing_starts_where_a_name_is_wrong_or_nothing_is_chosen(delivery: Delivery, change: ChangeRequest) -> None:
    carol = delivery.people.carol
    for names in (["prod-eu", "nowhere"], ["prod-eu", "staging"]):
        with pytest.raises(InvalidInput, match="It does in: prod-canary, prod-eu"):
            deployments.start_group(carol, change=change, environments=names)
    with pytest.raises(InvalidInput, match="at least one environment"):
        deployments.start_group(carol, change=change)
    with pytest.raises(InvalidInput, match="at least one environment"):
        deployments.start_group(carol, change=change, group="nothing")
    assert not Deployment.objects.filter(change=change, status="pending", manual_start=False).exists()


def test_who_may_not_deploy_starts_nothing(delivery: Delivery, change: ChangeRequest) -> None:
    RepositoryRole.objects.filter(user=delivery.people.alice).update(role="viewer")
    for name in ("bob", "dave", "alice"):
        with pytest.raises(NotAllowed):
            deployments.start_group(getattr(delivery.people, name), change=change, group="prod")
    assert Deployment.objects.filter(change=change, manual_start=True).count() == 4


def test_the_page_lists_it_and_works_without_scripts(delivery: Delivery, change: ChangeRequest, client: Client) -> None:
    client.force_login(delivery.people.carol)
    address = f"/changes/{change.number}/start/"
    assert address in client.get(f"/changes/{change.number}/deployments/").content.decode()
    shown = client.get(f"{address}?group=prod").content.decode()
    assert [shown.index(f'value="{name}"') for name in PROD] == sorted(shown.index(f'value="{name}"') for name in PROD)
    assert 'value="lab"' not in shown
    assert "prod-canary must come first" in shown
    assert client.post(address).status_code == 422
    answer = client.post(address, {"environments": PROD})
    assert answer.status_code == 303
    told = client.get(answer["Location"]).content.decode()
    assert "3 of 3 started" in told
    api = client.get(f"/api/v1/changes/{change.number}/start/").json()["results"]
    assert [(row["environment"], row["becomes_live"]) for row in api] == [("lab", [change.number])]


def test_no_environment_of_a_long_file_is_left_out(tmp_path: Path) -> None:
    names = [f"prod-{number:03}" for number in range(105)]
    by_hand = "{deploy: {start: manual, steps: [{name: apply, run: 'true'}]}}"
    rules = YAML[YAML.index("rules:") :]
    places = "".join(f"  {name}: {by_hand}\n" for name in names)
    delivery = Delivery.start(tmp_path, f"apiVersion: portal/v1\nenvironments:\n{places}{rules}")
    change = delivery.merged()
    assert groups_of(change) == (("prod", 105),)
    assert [row.name for row in startable(change)] == names
    (done,) = deployments.start_group(delivery.people.carol, change=change, environments=["prod-104"])
    assert done.started
