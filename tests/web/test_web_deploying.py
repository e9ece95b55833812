"""Asking for a merged change in an environment: nothing begins before a page that says exactly what would become live there."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {a: one}\n"
YAML = """\
apiVersion: portal/v1
environments:
  staging:
    targets: {app: {kind: manifests, path: app}}
    deploy: {via: local, steps: [{name: apply, run: "true"}]}
  production:
    protected: true
    targets: {prod: {kind: manifests, path: prod}}
    deploy: {via: local, start: manual, steps: [{name: apply, run: "true"}]}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, YAML, files={"app/values.yaml": MAP, "prod/values.yaml": MAP})


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    """It touches staging alone, where it waits."""
    found = delivery.proposed("one", {"app/values.yaml": MAP.replace("one", "two")})
    run_until_idle()  # its effect is rendered, which is part of what is approved
    delivery.approve(found)
    services.merge_change(delivery.people.alice, change=found)
    run_jobs("deployments.carry_out_merges")
    found.refresh_from_db()
    return found


@pytest.fixture
def carol(delivery: Delivery, client: Client) -> Client:
    client.force_login(delivery.people.carol)
    return client


def test_the_list_leads_to_a_page_of_each_environment_and_starts_nothing(carol: Client, change: ChangeRequest) -> None:
    (waiting,) = Deployment.objects.filter(change=change)
    shown = carol.get(f"/changes/{change.number}/deployments/").content.decode()
    assert f'href="/changes/{change.number}/deploy/?environment=production"' in shown
    assert f"not affected by {change.label}" in shown
    assert f'not now: <a href="/deployments/{waiting.number}/">{waiting.label}</a>' in shown, (
        "why staging is not offered"
    )
    assert "deploy/?environment=staging" not in shown
    assert "<select" not in shown.partition('id="deploy-to"')[2].partition("</section>")[0]
    page = carol.get(f"/changes/{change.number}/deploy/?environment=production").content.decode()
    assert f"not affected by {change.label}" in page
    assert f">{change.label}</a> <bdi>{change.title}" in page, "exactly what becomes live"
    assert "Type production to go on" in page
    assert Deployment.objects.count() == 1


def test_a_protected_environment_begins_only_when_its_name_is_typed(carol: Client, change: ChangeRequest) -> None:
    address = f"/changes/{change.number}/deploy/"
    for typed in ({}, {"confirm": "staging"}):
        answer = carol.post(address, {"environment": "production", **typed})
        assert answer.status_code == 422
        assert "Type production" in answer.content.decode()
    assert not Deployment.objects.filter(environment__name="production").exists()
    answer = carol.post(address, {"environment": "production", "confirm": "production"})
    row = Deployment.objects.get(environment__name="production")
    assert (answer.status_code, answer["Location"]) == (303, f"/deployments/{row.number}/")
    assert not row.manual_start, "who read the page and pressed has started it by hand"


def test_no_name_is_asked_for_elsewhere_nor_of_programs(carol: Client, change: ChangeRequest) -> None:
    Deployment.objects.update(status="failed")
    shown = carol.get(f"/changes/{change.number}/deploy/?environment=staging").content.decode()
    assert "to go on" not in shown
    assert "not affected" not in shown
    assert carol.post(f"/changes/{change.number}/deploy/", {"environment": "staging"}).status_code == 303
    wanted = {"change": change.number, "environment": "production"}
    asked = carol.post("/api/v1/deployments/", wanted, content_type="application/json")
    assert asked.status_code in {201, 202}


def test_what_is_under_way_or_unknown_has_no_page_before_it(carol: Client, change: ChangeRequest) -> None:
    address = f"/changes/{change.number}/deploy/"
    assert carol.get(f"{address}?environment=staging").status_code == 409
    assert carol.get(f"{address}?environment=nowhere").status_code == 422
    assert carol.get(address).status_code == 422


def test_who_may_not_deploy_sees_neither(delivery: Delivery, client: Client, change: ChangeRequest) -> None:
    client.force_login(delivery.people.bob)
    assert "deploy-to" not in client.get(f"/changes/{change.number}/deployments/").content.decode()
    assert client.get(f"/changes/{change.number}/deploy/?environment=production").status_code == 403
