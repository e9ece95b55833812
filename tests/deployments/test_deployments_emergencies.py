"""Break-glass: two people, an hour, the rules set aside and owed; everything on record."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Kind
from apps.audit.models import AuditEntry
from apps.changes import transitions as changes
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import services
from apps.deployments.jobs import starting
from apps.deployments.models import Deployment
from apps.presentation.emergency_page import emergency_banner, emergency_page
from apps.reviews.emergencies import emergency_in_force, open_debt, restores_earlier_state
from apps.reviews.jobs.debts import settle_debt
from apps.reviews.models import Emergency, News
from apps.reviews.queries import judge, verdict_of
from apps.reviews.services import confirm_emergency, declare_emergency, end_emergency, submit_review
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.people import team

pytestmark = pytest.mark.django_db
FREEZE = "windows: [{name: year end, kind: freeze, from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z}]\n"
EMERGENCY = "emergency: {from: [team/incident], approvals: 1, reviewWithin: 24h}\n"
STRICT = "  - {name: experts, needs: {approvals: 2, from: [role/reviewer]}}\n"


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    found = Delivery.start(tmp_path, pipeline("true", "true", rules=STRICT) + FREEZE + EMERGENCY)
    team("incident", found.people.kim, found.people.alice, found.people.carol)
    return found


def actions() -> list[str]:
    return list(
        AuditEntry.objects.filter(action__startswith="emergency.").order_by("seq").values_list("action", flat=True)
    )


def test_two_people_take_a_change_past_rules_and_freeze_and_the_rules_are_owed(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    with pytest.raises(Conflict):
        services.merge_change(people.alice, change=change)
    declare_emergency(people.alice, change=change, reason="the shop is down", incident="INC-7")
    with pytest.raises(Conflict) as lonely:
        services.merge_change(people.alice, change=change)
    assert "must confirm it" in lonely.value.message
    confirm_emergency(people.kim, change=change)
    assert judge(change).is_emergency
    skipped = [row for row in verdict_of(change).requirements if row.text.startswith("Skipped in the emergency")]
    assert {row.name for row in skipped} == {"a reviewer", "experts"}
    services.merge_change(people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert {row.status for row in change.deployments.all()} == {"succeeded"}
    debt = open_debt(change)
    assert debt is not None
    assert debt.uses[0] == ["merge", ""]
    assert {environment for _, environment in debt.uses[1:]} == {"staging", "production"}
    assert actions() == ["emergency.declared", "emergency.confirmed", *["emergency.used"] * 3]
    banner = emergency_banner(change)
    assert banner is not None
    assert "owed" in banner.words


def test_the_debt_is_paid_when_the_rules_are_met_and_not_before(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    declare_emergency(people.alice, change=change, reason="the shop is down")
    confirm_emergency(people.kim, change=change)
    services.merge_change(people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert len(emergency_page(people.bob, change).owed) == 2
    submit_review(people.bob, change=change, revision=1, verdict="approve")
    run_jobs("reviews.settle_debts")
    assert open_debt(change) is not None
    submit_review(people.kim, change=change, revision=1, verdict="approve")
    run_jobs("reviews.settle_debts")
    assert open_debt(change) is None
    assert actions()[-1] == "emergency.reviewed"
    assert emergency_banner(change) is None
    with pytest.raises(Conflict):
        submit_review(people.carol, change=change, revision=1, verdict="approve")  # nothing is owed any more


def test_the_rules_are_owed_also_when_the_hour_ends_at_that_moment(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the verdict that it opened and the note that it did."""
    change = delivery.proposed()
    row = declare_emergency(delivery.people.alice, change=change, reason="the shop is down")
    confirm_emergency(delivery.people.kim, change=change)
    begin, expiry = changes.begin_merge, row.expires_at

    def too_slow(*args: Any, **more: Any) -> None:
        Emergency.objects.update(expires_at=row.declared_at)
        begin(*args, **more)

    monkeypatch.setattr(changes, "begin_merge", too_slow)
    services.merge_change(delivery.people.alice, change=change)
    assert Emergency.objects.get().uses == [["merge", ""]]
    Emergency.objects.update(expires_at=expiry)
    run_jobs("deployments.carry_out_merges")
    monkeypatch.setattr(
        starting, "live_successor", lambda _: Emergency.objects.update(expires_at=row.declared_at) and None
    )
    Deployment.objects.update(check_at=None)
    run_jobs("deployments.start")
    assert ["deploy", "staging"] in Emergency.objects.get().uses


def test_nobody_confirms_their_own_emergency_or_their_own_change(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    declare_emergency(people.kim, change=change, reason="the shop is down")
    for who, code in ((people.kim, "declared_it"), (people.alice, "contributor"), (people.bob, "not_in_group")):
        with pytest.raises(NotAllowed) as refused:
            confirm_emergency(who, change=change)
        assert refused.value.code == code
    assert not verdict_of(change).allowed
    confirm_emergency(people.carol, change=change)
    with pytest.raises(Conflict):
        confirm_emergency(people.carol, change=change)
    assert verdict_of(change).allowed


def test_who_confirmed_counts_only_while_they_may(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    declare_emergency(people.alice, change=change, reason="the shop is down")
    confirm_emergency(people.kim, change=change)
    people.kim.is_active = False
    people.kim.save()
    assert not verdict_of(change).allowed


def test_an_emergency_ends_by_hand_by_time_and_with_other_content(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    row = declare_emergency(people.alice, change=change, reason="the shop is down")
    confirm_emergency(people.kim, change=change)
    assert verdict_of(change).allowed
    Emergency.objects.filter(pk=row.pk).update(expires_at=row.declared_at)
    assert emergency_in_force(change) is None
    assert not verdict_of(change).allowed
    Emergency.objects.filter(pk=row.pk).update(expires_at=row.declared_at + timedelta(hours=1), subject="0" * 64)
    assert not verdict_of(change).allowed
    Emergency.objects.filter(pk=row.pk).update(subject=row.subject)
    assert verdict_of(change).allowed
    with pytest.raises(NotAllowed):
        end_emergency(people.bob, change=change)
    end_emergency(people.kim, change=change)
    assert not verdict_of(change).allowed
    with pytest.raises(Conflict):
        end_emergency(people.kim, change=change)


def test_an_emergency_cannot_change_the_policy(delivery: Delivery) -> None:
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true")})
    with pytest.raises(NotAllowed) as refused:
        declare_emergency(delivery.people.alice, change=change, reason="the shop is down")
    assert refused.value.code == "touches_policy"


def test_an_emergency_that_nobody_confirmed_opens_nothing_and_holds_nothing(delivery: Delivery) -> None:
    """Neither a freeze on the way to an environment, nor is what is approved held by it; and nothing of it is on record."""
    people = delivery.people
    change = delivery.proposed()
    submit_review(people.bob, change=change, revision=1, verdict="approve")
    submit_review(people.kim, change=change, revision=1, verdict="approve")
    declare_emergency(people.alice, change=change, reason="the shop is down")
    assert verdict_of(change).allowed
    assert not judge(change).is_emergency
    services.merge_change(people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert {row.status for row in change.deployments.all()} == {"pending"}
    assert all(row.waits[0]["code"] == "freeze" for row in change.deployments.filter(environment__name="staging"))
    assert open_debt(change) is None
    assert actions() == ["emergency.declared"]
    confirm_emergency(people.carol, change=change)
    run_until_idle()
    assert {row.status for row in change.deployments.all()} == {"succeeded"}
    assert actions()[1] == "emergency.confirmed"
    assert actions().count("emergency.used") == 2  # the freeze of two environments
    assert open_debt(change) is None  # no rule was skipped


def test_what_went_by_an_emergency_is_no_approved_state_to_go_back_to(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    declare_emergency(people.alice, change=change, reason="the shop is down")
    confirm_emergency(people.kim, change=change)
    services.merge_change(people.alice, change=change)
    run_until_idle()
    inverse = services.roll_back(people.carol, deployment=delivery.deployment(change))
    assert restores_earlier_state(inverse)  # away from it is the fast way
    submit_review(people.bob, change=inverse, revision=1, verdict="approve")
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.merge_commit
    again = services.roll_back(people.carol, deployment=delivery.deployment(inverse))
    assert not restores_earlier_state(again)  # back to it is not


def test_the_debt_is_paid_in_a_transaction_with_its_entry(delivery: Delivery) -> None:
    assert getattr(settle_debt, "__wrapped__", None) is not None  # transaction.atomic: the log refuses anything else


def test_what_is_no_declaration_is_refused_and_leaves_nothing(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    with pytest.raises(InvalidInput):
        declare_emergency(people.alice, change=change, reason=" ")
    with pytest.raises(InvalidInput):
        declare_emergency(people.alice, change=change, reason="x", incident="javascript: alert(1)")
    with pytest.raises(NotAllowed):
        declare_emergency(people.bob, change=change, reason="x")
    with pytest.raises(NotAllowed):
        declare_emergency(people.mallory, change=change, reason="x")
    people.carol.kind = Kind.SERVICE
    people.carol.save()
    with pytest.raises(NotAllowed):
        declare_emergency(people.carol, change=change, reason="x")
    assert not Emergency.objects.exists()
    assert actions() == ["emergency.refused"] * 2  # bob and the service account; not who does not even see it
    declare_emergency(people.alice, change=change, reason="x")
    with pytest.raises(Conflict):
        declare_emergency(people.alice, change=change, reason="x")


def test_without_the_key_there_are_no_emergencies(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.proposed()
    with pytest.raises(NotAllowed) as refused:
        declare_emergency(delivery.people.alice, change=change, reason="the shop is down")
    assert refused.value.code == "no_emergencies"


def test_everybody_who_could_confirm_is_told(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    declare_emergency(people.alice, change=change, reason="the shop is down")
    told = set(News.objects.filter(kinds__contains="emergency").values_list("user__username", flat=True))
    assert told >= {"kim", "carol"}
    assert "alice" not in told


def test_the_page_names_what_is_skipped_and_what_holds(delivery: Delivery) -> None:
    change = delivery.proposed()
    page = emergency_page(delivery.people.alice, change)
    assert {row.name for row in page.skipped} == {"a reviewer", "experts"}
    assert {row.code for row in page.kept} >= {"state", "revision", "conflicts"}
    assert page.why_not == ""
    assert page.confirmers == ("team/incident",)
