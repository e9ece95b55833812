"""What a newer commit brings along passes its own gate first: rules, freezes, emergencies."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.core.work import work_requested
from apps.deployments import services
from apps.deployments.queries import riding
from apps.reviews.models import Emergency
from apps.reviews.services import (
    confirm_emergency,
    declare_emergency,
    override_window,
    submit_review,
    withdraw_override,
)
from tests.support.delivery import Delivery, not_there, pipeline, run_jobs, run_until_idle
from tests.support.people import team

pytestmark = pytest.mark.django_db
DATABASES = (
    "  - {name: database, stage: deploy, when: {environments: [production], paths: ['db/**']}, "
    "needs: {approvals: 1, from: [user/kim]}}\n"
)
FREEZE = (
    "windows: [{name: year end, kind: freeze, environments: [production], from: 2020-01-01T00:00Z, "
    "to: 2099-01-01T00:00Z, override: [user/carol]}]\n"
)
GATED = pipeline("true", "true", rules=DATABASES)
BY_HAND = GATED.replace("protected: true\n    deploy: {", "protected: true\n    deploy: {start: manual, ")


def danger(delivery: Delivery, name: str = "danger") -> ChangeRequest:
    """Merged, and held by the gate of production."""
    return delivery.merged(name, {f"db/{name}.sql": "DROP TABLE users;\n"})


def text(delivery: Delivery, name: str = "text") -> ChangeRequest:
    """One that no rule of production asks anything of."""
    return delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"})


def seen(delivery: Delivery, change: ChangeRequest) -> tuple[str, list[str]]:
    row = delivery.deployment(change, "production")
    return row.status, [wait["code"] for wait in row.waits]


def let_in(delivery: Delivery, change: ChangeRequest) -> None:
    """kim approves the deployment to production."""
    change.refresh_from_db()
    assert change.revision is not None
    submit_review(
        delivery.people.kim,
        change=change,
        revision=change.revision.number,
        verdict="approve",
        stage="deploy",
        environment="production",
    )


def override(delivery: Delivery, change: ChangeRequest) -> int:
    row = override_window(
        delivery.people.carol, change=change, stage="deploy", environment="production", reason="it must go out"
    )
    return row.pk


def test_a_gate_holds_the_newer_commit_that_would_bring_its_change(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, GATED)
    held, newer = danger(delivery), text(delivery)
    run_until_idle()
    assert seen(delivery, held) == seen(delivery, newer) == ("pending", ["gate"])
    said = delivery.deployment(newer, "production").waits[0]["text"]
    assert said.startswith(f"{held.label}, which this brings along")
    assert "kim" in said
    let_in(delivery, held)
    run_until_idle()
    assert seen(delivery, held) == seen(delivery, newer) == ("succeeded", [])


@pytest.mark.django_db(transaction=True)
def test_who_opens_the_gate_of_a_change_wakes_what_brings_it(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, GATED)
    held, newer = danger(delivery), text(delivery)
    run_until_idle()
    woken: list[tuple[str, int]] = []

    def note(name: str, pk: int, **_: object) -> None:
        woken.append((name, pk))

    work_requested.connect(note)
    try:
        let_in(delivery, held)
    finally:
        work_requested.disconnect(note)
    rows = [delivery.deployment(change, "production").pk for change in (held, newer)]
    assert [pk for name, pk in woken if name == "deployments.start"][:2] == rows


def test_the_start_says_which_gate_of_what_it_brings_holds_it(tmp_path: Path, client: Client) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    held, newer = danger(delivery), text(delivery)
    run_until_idle()
    client.force_login(delivery.people.carol)
    told = client.get(f"/api/v1/changes/{newer.number}/start/").json()["results"][0]
    assert told["becomes_live"] == [held.number, newer.number]
    assert [said.startswith(f"{held.label}, which this brings along") for said in told["held"]] == [True]
    assert "which this brings along" in client.get(f"/changes/{newer.number}/start/").content.decode()
    services.release(delivery.people.carol, deployment=delivery.deployment(newer, "production"))
    run_until_idle()
    assert seen(delivery, newer) == ("pending", ["gate"])
    let_in(delivery, held)
    run_until_idle()
    assert seen(delivery, newer)[0] == "succeeded"


def test_what_no_rule_asks_about_comes_along_without_a_gate(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    plain, not_due, newer = text(delivery, "plain"), danger(delivery), text(delivery)
    not_there(delivery.deployment(not_due, "production"))
    run_until_idle()
    services.release(delivery.people.carol, deployment=delivery.deployment(newer, "production"))
    run_until_idle()
    assert seen(delivery, newer) == ("succeeded", [])
    assert seen(delivery, plain) == ("pending", ["manual"])


def test_cancelling_its_deployment_opens_no_gate(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, GATED)
    held = danger(delivery)
    run_until_idle()
    services.cancel(delivery.people.carol, deployment=delivery.deployment(held, "production"))
    newer = text(delivery)
    run_until_idle()
    assert seen(delivery, newer) == ("pending", ["gate"])


def test_what_was_taken_back_needs_no_gate(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, GATED)
    held = danger(delivery)
    run_until_idle()
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(held))
    delivery.approve(inverse)
    run_until_idle()
    newer = text(delivery)
    run_until_idle()
    assert seen(delivery, newer) == ("succeeded", [])


def test_an_override_lets_one_change_through_and_not_what_it_brings(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + FREEZE)
    first, second = text(delivery, "first"), text(delivery, "second")
    run_until_idle()
    override(delivery, second)
    run_until_idle()
    assert seen(delivery, first) == seen(delivery, second) == ("pending", ["freeze"])
    assert f"{first.label}, which this brings along" in delivery.deployment(second, "production").waits[0]["text"]
    key = override(delivery, first)
    withdraw_override(delivery.people.carol, change=first, override=key)
    run_until_idle()
    assert seen(delivery, second) == ("pending", ["freeze"])
    override(delivery, first)
    run_until_idle()
    assert seen(delivery, first) == seen(delivery, second) == ("succeeded", [])


def test_a_freeze_that_holds_both_is_told_once(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + FREEZE)
    text(delivery, "first")
    second = text(delivery, "second")
    run_until_idle()
    assert "which this brings along" not in str(delivery.deployment(second, "production").waits)


def test_a_roll_back_is_held_by_the_gate_of_what_it_brings_and_says_so_before(tmp_path: Path, client: Client) -> None:
    delivery = Delivery.start(tmp_path, GATED)
    bad = text(delivery, "bad")
    run_until_idle()
    held = danger(delivery)
    run_until_idle()
    live = delivery.deployment(bad, "production")
    client.force_login(delivery.people.carol)
    ahead = client.get(f"/api/v1/deployments/{live.number}/rollback/").json()["brings"]
    assert [(row["environment"], row["changes"]) for row in ahead] == [("production", [held.number])]
    assert ahead[0]["held"][0].startswith(f"{held.label}, which this brings along")
    assert "which this brings along" in client.get(f"/deployments/{live.number}/rollback/").content.decode()
    inverse = services.roll_back(delivery.people.carol, deployment=live)
    delivery.approve(inverse)
    run_until_idle()
    assert seen(delivery, inverse) == ("pending", ["gate"])
    let_in(delivery, held)
    run_until_idle()
    assert seen(delivery, inverse) == ("succeeded", [])


def test_an_emergency_is_for_its_own_change_and_owed_by_what_it_lets_come_along(tmp_path: Path) -> None:
    emergency = "emergency: {from: [team/incident], approvals: 1, reviewWithin: 24h}\n"
    delivery = Delivery.start(tmp_path, BY_HAND + emergency)
    people = delivery.people
    team("incident", people.kim, people.alice, people.carol)
    held, newer = danger(delivery), text(delivery)
    run_until_idle()
    services.release(people.carol, deployment=delivery.deployment(newer, "production"))
    for change, status in ((newer, "pending"), (held, "succeeded")):
        declare_emergency(people.alice, change=change, reason="the shop is down")
        confirm_emergency(people.kim, change=change)
        run_until_idle()
        assert seen(delivery, newer)[0] == status
    assert [row.change_id for row in Emergency.objects.all() if ["deploy", "production"] in row.uses] == [held.pk]


def test_more_than_can_be_judged_at_once_goes_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riding, "MOST_JUDGED", 1)
    delivery = Delivery.start(tmp_path, BY_HAND)
    rows = [delivery.deployment(text(delivery, name), "production") for name in ("one", "two", "three")]
    run_until_idle()
    services.release(delivery.people.carol, deployment=rows[2])
    run_jobs("deployments.start")
    rows[2].refresh_from_db()
    assert "Start an older one first" in rows[2].waits[0]["text"]
    for row in (rows[0], rows[2]):
        services.release(delivery.people.carol, deployment=row) if row is rows[0] else None
        run_until_idle()
        row.refresh_from_db()
        assert row.status == "succeeded"
