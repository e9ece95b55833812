"""What a roll-back took out, or is to take out, does not come again inside something newer, nor count as deployed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.changes.services import withdraw
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import queries, services
from apps.deployments.jobs import starting
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.undoing import begun_in
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
BY_ITSELF = """\
apiVersion: portal/v1
environments:
  eu: {protected: true}
  us: {}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
"""
"""Two environments without an order, and nothing to run in them. A roll-back in the first one waits for an approval."""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, BY_ITSELF)


def landed(delivery: Delivery, *names: str) -> list[ChangeRequest]:
    """Changes on top of one another, live in ``eu``; each waits for somebody who presses Start in ``us``."""
    found = [delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in names]
    Deployment.objects.filter(environment__name="us", status="pending").update(manual_start=True)
    run_until_idle()
    return found


def asked(delivery: Delivery, change: ChangeRequest) -> ChangeRequest:
    """The roll-back of ``change``, asked for in ``eu``."""
    return services.roll_back(delivery.people.carol, deployment=delivery.deployment(change, "eu"))


def finished(delivery: Delivery, inverse: ChangeRequest) -> ChangeRequest:
    delivery.approve(inverse)
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.merge_commit
    return inverse


def merged(inverse: ChangeRequest) -> None:
    """Its gate is open; nothing was started yet."""
    for _ in range(2):
        run_jobs("deployments.merge_when_allowed", "deployments.carry_out_merges")
    inverse.refresh_from_db()
    assert inverse.merge_commit


def started(delivery: Delivery, change: ChangeRequest, environment: str = "us") -> Deployment:
    """Its deployment after somebody pressed Start and one look."""
    row = delivery.deployment(change, environment)
    services.release(delivery.people.carol, deployment=row)
    return looked_at(row)


def looked_at(row: Deployment) -> Deployment:
    starting.start(row.pk)
    return Deployment.objects.get(pk=row.pk)


def held(row: Deployment) -> str:
    """By what roll-back, in words."""
    assert row.status == "pending"
    assert [wait["code"] for wait in row.waits] == ["rollback"]
    return str(row.waits[0]["text"])


def test_what_is_to_be_undone_does_not_start_inside_something_newer(delivery: Delivery) -> None:
    before, bad, on_top = landed(delivery, "before", "bad", "top")
    inverse = asked(delivery, bad)
    assert inverse.rollback_environments == ["eu"]
    row = started(delivery, on_top)
    assert f"{inverse.label} is to roll {bad.label}, which this contains, back" in held(row)
    assert started(delivery, before).status == "succeeded", "it is without"
    withdraw(delivery.people.carol, change=ChangeRequest.objects.get(pk=inverse.pk))
    assert looked_at(row).status == "succeeded"


def test_what_was_undone_does_not_start_inside_what_landed_before(delivery: Delivery) -> None:
    bad, on_top = landed(delivery, "bad", "top")
    inverse = finished(delivery, asked(delivery, bad))
    assert delivery.deployment(bad, "us").status == "cancelled"
    row = started(delivery, on_top)
    said = held(row)
    assert f"{inverse.label} rolled {bad.label}, which this contains, back" in said
    assert f"Deploy {inverse.label} or a newer change" in said
    services.start_deployment(delivery.people.carol, change=inverse, environment="us")
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, row.became_live) == ("succeeded", False)
    assert row.environment.live_commit == inverse.merge_commit


def test_what_does_not_reach_an_environment_holds_nothing_there(tmp_path: Path) -> None:
    yaml = BY_ITSELF.replace("eu: {", "eu: {targets: {raw: {kind: manifests, path: eu}}, ")
    yaml = yaml.replace("us: {}", "us: {targets: {raw: {kind: manifests, path: us}}}")
    kept = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n"
    new = kept.replace("name: a", "name: b")
    delivery = Delivery.start(tmp_path, yaml, {"eu/a.yaml": kept, "us/a.yaml": kept})
    bad, other = (rendered(delivery, place, {f"{place}/b.yaml": new}) for place in ("eu", "us"))
    Deployment.objects.filter(environment__name="us").update(manual_start=True)
    run_until_idle()
    asked(delivery, bad)
    assert started(delivery, other).status == "succeeded"


def rendered(delivery: Delivery, name: str, files: dict[str, str | bytes]) -> ChangeRequest:
    """A change that was approved when its effect was known, and merged."""
    change = delivery.proposed(name, files)
    for _ in range(2):
        run_jobs("changes.plan_renderings", "changes.render")
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    change.refresh_from_db()
    return change


def test_a_roll_back_that_was_given_up_holds_nothing(delivery: Delivery) -> None:
    bad, on_top = landed(delivery, "bad", "top")
    inverse = finished(delivery, asked(delivery, bad))
    Deployment.objects.filter(change=inverse).update(status="cancelled")
    assert started(delivery, on_top).status == "succeeded"


def test_a_roll_back_that_was_cancelled_in_one_environment_holds_nothing_there(delivery: Delivery) -> None:
    bad, on_top = landed(delivery, "bad", "top")
    inverse = asked(delivery, bad)
    Deployment.objects.filter(pk=delivery.deployment(bad, "us").pk).update(status="succeeded", attempts=1)
    run_jobs("deployments.merge_when_allowed")
    delivery.approve(inverse)
    merged(inverse)
    held(started(delivery, on_top))
    Deployment.objects.filter(change=inverse, environment__name="eu").update(status="succeeded", attempts=1)
    services.cancel(delivery.people.carol, deployment=delivery.deployment(inverse, "us"))
    assert looked_at(delivery.deployment(on_top, "us")).status == "succeeded"


def test_what_contains_the_roll_back_is_not_held_by_it_whatever_clocks_say(delivery: Delivery) -> None:
    (bad,) = landed(delivery, "bad")
    inverse = finished(delivery, asked(delivery, bad))
    (after,) = landed(delivery, "after")
    ChangeRequest.objects.filter(pk=inverse.pk).update(merged_at=now() + timedelta(minutes=1))
    assert started(delivery, after).status == "succeeded"


def test_what_is_at_work_or_failed_inside_something_newer_is_undone_too(delivery: Delivery) -> None:
    bad, on_top = landed(delivery, "bad", "top")
    newer = Deployment.objects.filter(pk=delivery.deployment(on_top, "us").pk)
    for columns in (
        {"status": "running", "attempts": 1, "ended_at": None},
        {"status": "failed", "attempts": 1, "ended_at": now()},
    ):
        newer.update(**columns)
        assert list(begun_in(bad).values_list("name", flat=True)) == ["eu", "us"]
    Environment.objects.filter(name="us").update(live_since=now() + timedelta(seconds=1))
    assert list(begun_in(bad).values_list("name", flat=True)) == ["eu"], "something else is live since"


def test_what_has_begun_before_the_merge_is_undone_too_and_its_rules_are_asked(delivery: Delivery) -> None:
    bad, on_top = landed(delivery, "bad", "top")
    inverse = asked(delivery, bad)
    Deployment.objects.filter(pk=delivery.deployment(on_top, "us").pk).update(status="running", attempts=1)
    run_jobs("deployments.merge_when_allowed")
    inverse.refresh_from_db()
    assert inverse.rollback_environments == ["eu", "us"], "before anybody approved it"
    assert "is for eu, us now" in AuditEntry.objects.get(action="rollback.widened").summary
    delivery.approve(inverse)
    merged(inverse)
    assert looked_at(delivery.deployment(inverse, "us")).waits[0]["code"] == "lock"


def test_of_two_roll_backs_in_one_environment_neither_waits_for_the_other(delivery: Delivery) -> None:
    landed(delivery, "good")
    changes = [delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in ("bad", "worse")]
    Deployment.objects.filter(change__in=changes, environment__name="eu").update(status="succeeded", attempts=1)
    first, _ = (asked(delivery, change) for change in changes)
    delivery.approve(first)
    merged(first)
    assert looked_at(delivery.deployment(first, "eu")).status == "succeeded"


def test_what_was_rolled_back_and_is_asked_for_again_is_not_said_to_be_there(delivery: Delivery) -> None:
    (bad,) = landed(delivery, "bad")
    failed = delivery.deployment(bad, "eu")
    Deployment.objects.filter(pk=failed.pk).update(status="failed", attempts=1, became_live=False)
    Environment.objects.filter(name="eu").update(live_commit="", live_deployment=None)
    inverse = finished(delivery, asked(delivery, bad))
    undoing = delivery.deployment(inverse, "eu")
    assert undoing.status == "succeeded"
    with pytest.raises(Conflict) as refusal:
        services.retry(delivery.people.carol, deployment=failed)
    assert f"{bad.label} was rolled back here by {undoing.label} ({inverse.label})" in refusal.value.message


def test_what_was_rolled_back_twice_is_there_again(delivery: Delivery) -> None:
    (bad,) = landed(delivery, "bad")
    failed = delivery.deployment(bad, "eu")
    inverse = finished(delivery, asked(delivery, bad))
    again = finished(delivery, asked(delivery, inverse))
    assert delivery.deployment(again, "eu").status == "succeeded"
    Deployment.objects.filter(pk=failed.pk).update(status="failed")
    services.retry(delivery.people.carol, deployment=failed)
    assert looked_at(failed).status == "succeeded"


def test_an_earlier_state_that_is_brought_back_cancels_what_waits_of_what_it_takes_back(delivery: Delivery) -> None:
    good, bad = landed(delivery, "good", "bad")
    waiting = delivery.merged("waiting", {"app/waiting.yaml": "a: 1\n"})
    Deployment.objects.filter(change=waiting).update(manual_start=True)
    run_until_idle()
    back = services.bring_back(delivery.people.carol, deployment=delivery.deployment(good, "eu"))
    delivery.approve(back)
    run_until_idle()
    row = delivery.deployment(waiting, "eu")
    assert row.status == "cancelled"
    assert f"rolled {waiting.label} back" in row.events.order_by("-seq")[0].text
    assert delivery.deployment(waiting, "us").status == "pending", "it is for one environment"
    with pytest.raises(Conflict) as refusal:
        services.retry(delivery.people.carol, deployment=row)
    assert f"{waiting.label} was rolled back here by {delivery.deployment(back, 'eu').label}" in refusal.value.message
    assert delivery.deployment(bad, "us").status == "pending"


def test_what_an_earlier_state_is_without_does_not_start_while_that_is_to_be_brought_back(delivery: Delivery) -> None:
    good, bad = landed(delivery, "good", "bad")
    Deployment.objects.filter(pk=delivery.deployment(bad, "eu").pk).update(status="failed", became_live=False)
    kept = delivery.deployment(good, "eu")
    Environment.objects.filter(name="eu").update(live_commit=kept.commit, live_deployment=kept)
    back = services.bring_back(delivery.people.carol, deployment=kept)
    on_top = delivery.merged("top", {"elsewhere/top.yaml": "a: 1\n"})
    row = looked_at(delivery.deployment(on_top, "eu"))
    assert f"{back.label} is to roll {bad.label}, which this contains, back" in held(row)
    assert looked_at(delivery.deployment(on_top, "us")).status != "pending", "it is for one environment"
    delivery.approve(back)
    run_until_idle()
    assert delivery.deployment(back, "eu").status == "succeeded", "neither waits for the other"
    assert "eu already runs" in row.events.order_by("-seq")[0].text, "nothing of it was run"
    after = delivery.merged("after", {"app/after.yaml": "a: 1\n"})
    run_until_idle()
    assert delivery.deployment(after, "eu").status == "succeeded", "it contains what brought the state back"


def test_a_roll_back_does_not_wait_for_what_would_bring_the_same_again(delivery: Delivery) -> None:
    (bad,) = landed(delivery, "bad")
    queued = [delivery.deployment(delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}), "eu") for name in ("b", "c")]
    Deployment.objects.filter(pk=queued[0].pk).update(status="running", attempts=1, manual_start=False)
    assert looked_at(queued[1]).waits[0]["text"].endswith("position 1.")
    inverse = asked(delivery, bad)
    assert looked_at(queued[1]).waits[0]["text"].endswith("position 1."), "what is live has it already"
    Deployment.objects.filter(pk=queued[1].pk).update(waits=[{"code": "lock", "text": "as it was seen before"}])
    delivery.approve(inverse)
    merged(inverse)
    undoing = looked_at(delivery.deployment(inverse, "eu"))
    assert undoing.waits[0]["text"] == f"Queued behind {queued[0].label} (running), position 1."
    assert queries.queue_position(undoing) == 1
    Deployment.objects.filter(pk=queued[0].pk).update(status="failed", ended_at=now())
    assert "rolled" in held(looked_at(queued[1]))
    run_until_idle()
    undoing.refresh_from_db()
    assert undoing.status == "succeeded"
    assert Deployment.objects.get(pk=queued[1].pk).became_live is False


def test_what_was_undone_is_not_retried_and_nothing_of_its_change_moves(delivery: Delivery, client: Client) -> None:
    (bad,) = landed(delivery, "bad")
    inverse = finished(delivery, asked(delivery, bad))
    row = delivery.deployment(bad, "us")
    assert row.status == "cancelled"
    client.force_login(delivery.people.carol)
    url = f"/deployments/{row.number}/"
    assert f"{inverse.label} rolled {bad.label} back" in client.get(url).content.decode()
    assert f"{url}retry/" not in client.get(url).content.decode()
    before = ChangeRequest.objects.get(pk=bad.pk).status
    with pytest.raises(Conflict) as refusal:
        services.retry(delivery.people.carol, deployment=row)
    assert (refusal.value.code, "cancel this" in refusal.value.message) == ("rolled_back", False)
    assert client.post(f"{url}retry/").status_code == 409
    assert (delivery.deployment(bad, "us").status, ChangeRequest.objects.get(pk=bad.pk).status) == ("cancelled", before)


def test_what_is_only_to_be_undone_may_be_retried_and_waits(delivery: Delivery) -> None:
    (bad,) = landed(delivery, "bad")
    row = delivery.deployment(bad, "us")
    services.cancel(delivery.people.carol, deployment=row)
    asked(delivery, bad)
    assert services.retry(delivery.people.carol, deployment=row).status == "pending"
