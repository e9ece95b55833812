"""What was rolled back in one environment does not go on to the next one inside a later change."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils.html import escape

from apps.changes.models import ChangeRequest
from apps.changes.services import withdraw
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.jobs import following
from apps.deployments.models import Deployment
from apps.deployments.queries.undoing import begun_in
from apps.presentation.deployment_page import deployment_page
from apps.presentation.rollback_page import rollback_page
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
BY_HAND = pipeline().replace("{via: local, steps: [{name: apply, run: 'echo", "{start: manual, via: local, steps: [{name: apply, run: 'echo")  # fmt: skip


def released(delivery: Delivery, change: ChangeRequest) -> Deployment:
    """Its deployment to production after somebody pressed Start and the engine came to rest."""
    row = delivery.deployment(change, "production")
    services.release(delivery.people.carol, deployment=row)
    run_until_idle()
    row.refresh_from_db()
    return row


def three_merged(delivery: Delivery) -> tuple[ChangeRequest, ChangeRequest, ChangeRequest]:
    """A good one, a bad one and one on top of both; all of them are live in staging and wait for production."""
    good, bad, on_top = (delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in ("good", "bad", "top"))
    run_until_idle()
    return good, bad, on_top


def rolled_back(delivery: Delivery, change: ChangeRequest) -> Deployment:
    """The deployment to staging of the roll-back of ``change``, after the engine came to rest."""
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(change))
    delivery.approve(inverse)
    run_until_idle()
    return delivery.deployment(inverse)


def codes(row: Deployment) -> list[str]:
    return [wait["code"] for wait in row.waits]


def test_a_later_change_does_not_take_along_what_was_rolled_back(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    good, bad, on_top = three_merged(delivery)
    undoing = rolled_back(delivery, bad)
    assert undoing.status == "succeeded"
    held = released(delivery, on_top)
    assert (held.status, codes(held)) == ("pending", ["promotion"])
    for words in (f"{undoing.label} rolled {bad.label} back in staging", "Deploy a newer change", undoing.change.label):
        assert words in held.waits[0]["text"]
    assert released(delivery, good).status == "succeeded"
    newer = delivery.merged("newer", {"app/newer.yaml": "a: 1\n"})
    run_until_idle()
    assert released(delivery, newer).status == "succeeded"


def test_a_success_beneath_the_roll_back_opens_nothing(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    _, bad, on_top = three_merged(delivery)
    rolled_back(delivery, bad)
    Deployment.objects.filter(pk=delivery.deployment(on_top).pk).update(ended_at=now() + timedelta(minutes=1))
    assert codes(released(delivery, on_top)) == ["promotion"], "it ended as contained in what is live, and never ran"


@pytest.mark.parametrize(("status", "opens"), [("pending", False), ("failed", False), ("cancelled", True)])
def test_a_roll_back_counts_from_its_landing_until_it_is_cancelled(tmp_path: Path, status: str, *, opens: bool) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    _, bad, on_top = three_merged(delivery)
    undoing = rolled_back(delivery, bad)
    Deployment.objects.filter(pk=undoing.pk).update(status=status, manual_start=True)
    row = delivery.deployment(on_top, "production")
    services.release(delivery.people.carol, deployment=row)
    run_jobs("deployments.start")
    row.refresh_from_db()
    assert row.status == ("dispatching" if opens else "pending")
    assert codes(row) == ([] if opens else ["promotion"])


def test_what_came_after_an_earlier_state_that_was_brought_back_does_not_go_on(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    good, bad, on_top = three_merged(delivery)
    back = services.bring_back(delivery.people.carol, deployment=delivery.deployment(good))
    delivery.approve(back)
    run_until_idle()
    assert delivery.deployment(back).status == "succeeded"
    for change in (bad, on_top):
        held = released(delivery, change)
        assert codes(held) == ["promotion"]
        assert "what came after an earlier state" in held.waits[0]["text"]
    assert released(delivery, good).status == "succeeded"


def test_a_roll_back_is_for_every_environment_where_the_change_has_begun(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    change = delivery.merged()
    run_until_idle()
    runs = delivery.deployment(change, "production")
    Deployment.objects.filter(pk=runs.pk).update(status="running", attempts=1, lease_until=now() + timedelta(hours=1))
    asked_on = delivery.deployment(change)
    assert rollback_page(delivery.people.carol, asked_on).names == "staging, production"
    inverse = services.roll_back(delivery.people.carol, deployment=asked_on)
    assert inverse.rollback_environments == ["staging", "production"]
    delivery.approve(inverse)
    for _ in range(3):
        run_jobs("deployments.merge_when_allowed", "deployments.carry_out_merges", "deployments.start")
    queued = delivery.deployment(inverse, "production")
    assert codes(queued) == ["lock"]
    assert runs.label in queued.waits[0]["text"]


def test_what_waits_does_not_start_while_its_roll_back_is_open(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND.replace("  staging:\n", "  staging:\n    protected: true\n"))
    change = delivery.merged()
    run_until_idle()
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(change))
    assert inverse.rollback_environments == ["staging"]
    held = released(delivery, change)
    assert codes(held) == ["rollback"]
    assert f"{inverse.label} is to roll {change.label} back" in held.waits[0]["text"]
    inverse.refresh_from_db()
    withdraw(delivery.people.carol, change=inverse)
    run_until_idle()
    held.refresh_from_db()
    assert held.status == "succeeded"


def refused(delivery: Delivery, row: Deployment) -> str:
    """Why rolling ``row`` back is refused; neither is it offered, nor shown beforehand."""
    row.refresh_from_db()
    assert not deployment_page(delivery.people.carol, row.number).actions.roll_back
    client = Client()
    client.force_login(delivery.people.carol, backend="apps.accounts.backends.PortalBackend")
    answer = client.get(f"/deployments/{row.number}/rollback/")
    with pytest.raises(Conflict, match="only what was deployed") as refusal:
        services.roll_back(delivery.people.carol, deployment=row)
    assert (answer.status_code, refusal.value.code) == (409, "never_live" if row.ended_at else "wrong_state")
    assert escape(refusal.value.message) in answer.content.decode()
    return refusal.value.message


@pytest.mark.parametrize(("looks", "possible"), [(0, False), (1, True)])
def test_what_was_cancelled_midway_can_be_rolled_back(tmp_path: Path, looks: int, *, possible: bool) -> None:
    delivery = Delivery.start(tmp_path, pipeline("sleep 60"))
    row = delivery.deployment(delivery.merged())
    run_jobs("deployments.start")
    for _ in range(looks):
        run_jobs("deployments.follow")
    services.cancel(delivery.people.carol, deployment=row)
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("cancelled", 1)
    if not possible:
        assert "cancelled before anything of it ran" in refused(delivery, row)
        return
    assert deployment_page(delivery.people.carol, row.number).actions.roll_back
    assert services.roll_back(delivery.people.carol, deployment=row).rollback_environments == ["staging"]


def claim_refused(*_: object) -> None:
    raise Conflict("claim_refused", "The Git host refused the claim, so nothing was started.")


def test_what_waits_or_could_not_begin_has_nothing_to_be_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    change = delivery.merged()
    row = delivery.deployment(change)
    assert "Cancel it" in refused(delivery, row)
    with monkeypatch.context() as patch:
        patch.setattr(following, "claim_run", claim_refused)
        run_until_idle()
    row.refresh_from_db()
    assert row.status == "failed"
    said = refused(delivery, row)
    assert "failed before anything of it ran" in said
    assert f"Write the inverse of {change.label} in Git" in said
    services.retry(delivery.people.carol, deployment=row)
    run_until_idle()
    assert services.roll_back(delivery.people.carol, deployment=row).rolls_back == change


def test_what_is_live_inside_something_newer_can_be_rolled_back(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    older, newer = (delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in ("older", "newer"))
    run_until_idle()
    assert released(delivery, newer).status == "succeeded"
    late = released(delivery, older)
    assert (late.status, late.became_live) == ("succeeded", False)
    assert deployment_page(delivery.people.carol, late.number).actions.roll_back
    inverse = services.roll_back(delivery.people.carol, deployment=late)
    assert inverse.rollback_environments == ["staging", "production"], "it is in production, inside the newer one"


def test_a_roll_back_is_also_for_where_a_newer_deployment_replaced_its_own(tmp_path: Path) -> None:
    newest = BY_HAND.replace("  production:\n", "  production:\n    queue: newest\n")
    assert "queue: newest" in newest
    delivery = Delivery.start(tmp_path, newest)
    older, newer = (delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in ("older", "newer"))
    run_until_idle()
    ran = delivery.deployment(older)
    services.cancel(delivery.people.carol, deployment=delivery.deployment(older, "production"))
    assert list(begun_in(older).values_list("name", flat=True)) == ["staging"]
    assert released(delivery, newer).status == "succeeded"
    inverse = services.roll_back(delivery.people.carol, deployment=ran)
    assert inverse.rollback_environments == ["staging", "production"]
