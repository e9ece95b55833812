"""Undoing what went wrong takes one page and one press, for those who may."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest, Inverse
from apps.deployments import services as deployments
from apps.reviews.models import Emergency
from apps.reviews.services import confirm_emergency, submit_review
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {protected: true, deploy: {via: local, steps: [{name: apply, run: "true"}]}}
rules: [{name: two, needs: {approvals: 2, from: [role/reviewer]}}]
rollback: {protected: 1, preauthorised: 24h}
emergency: {from: [role/maintainer, role/reviewer], approvals: 1}
"""
LINES = {"app/values.yaml": "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\n"}


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, YAML, dict(LINES))


def landed(delivery: Delivery, name: str, old: str, new: str, *, back: bool = False) -> ChangeRequest:
    delivery.work.run("fetch", "-q", "origin")
    content = delivery.work.run("show", "origin/main:app/values.yaml")
    change = delivery.proposed(name, {"app/values.yaml": f"{content.replace(old, new).strip()}\n"})
    run_jobs("changes.plan_renderings")
    run_jobs("changes.compute_inverse")
    change.refresh_from_db()
    digest = Inverse.objects.get(revision=change.revision).digest if back else ""
    for person in (delivery.people.bob, delivery.people.kim):
        submit_review(person, change=change, revision=1, verdict="approve", rollback=digest)
    deployments.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    return change


def pressed(client: Client, delivery: Delivery, change: ChangeRequest, **more: str) -> tuple[str, ChangeRequest]:
    """What the page says, and the change that one press on it makes."""
    client.force_login(delivery.people.carol)
    address = f"/deployments/{delivery.deployment(change).number}/rollback/"
    shown = client.get(address).content.decode()
    answer = client.post(address, {"confirm": "staging", **more})
    assert answer.status_code == 303
    number = int(answer["Location"].strip("/").rpartition("/")[2])
    return shown, ChangeRequest.objects.get(number=number)


def test_one_press_undoes_what_was_approved_with_its_roll_back(delivery: Delivery, client: Client) -> None:
    change = landed(delivery, "one", "a: 1", "a: 2", back=True)
    shown, back = pressed(client, delivery, change)
    assert "Pre-authorised with the change by <b>bob, kim</b>" in shown
    assert "Only in an emergency" not in shown  # its own, smaller gate is the fast way
    run_until_idle()
    back.refresh_from_db()
    assert back.status == "done"
    assert delivery.deployment(back).status == "succeeded"


def test_beneath_later_changes_the_same_press_declares_the_emergency(delivery: Delivery, client: Client) -> None:
    change = landed(delivery, "one", "a: 1", "a: 2")
    landed(delivery, "two", "g: 1", "g: 2")
    shown, back = pressed(client, delivery, change, emergency="The shop is down", incident="INC-7")
    assert "the ordinary rules apply" in shown
    assert "Only in an emergency: what happened" in shown
    row = Emergency.objects.get()
    assert (row.change_id, row.reason, row.incident, row.declared_by) == (
        back.pk,
        "The shop is down",
        "INC-7",
        delivery.people.carol,
    )
    run_until_idle()
    back.refresh_from_db()
    assert back.status == "in_review"  # it takes two people, whoever pressed
    confirm_emergency(delivery.people.bob, change=back)
    run_until_idle()
    back.refresh_from_db()
    assert back.status == "done"
    assert Emergency.objects.owed().filter(change=back).exists()


def test_what_cannot_be_an_emergency_is_rolled_back_all_the_same_and_told(delivery: Delivery, client: Client) -> None:
    change = landed(delivery, "one", "a: 1", "a: 2")
    client.force_login(delivery.people.carol)
    address = f"/api/v1/deployments/{delivery.deployment(change).number}/rollback/"
    answer = client.post(address, {"emergency": "The shop is down"}, content_type="application/json")
    assert answer.status_code == 201
    assert "its own, smaller gate is the fast way" in answer.json()["emergency_refused"]
    assert not Emergency.objects.exists()
    assert ChangeRequest.objects.get(number=answer.json()["change"]).rolls_back == change


def test_without_a_reason_none_is_declared(delivery: Delivery, client: Client) -> None:
    change = landed(delivery, "one", "a: 1", "a: 2")
    landed(delivery, "two", "g: 1", "g: 2")
    _, back = pressed(client, delivery, change, emergency="  ")
    assert back.status == "in_review"
    assert not Emergency.objects.exists()
