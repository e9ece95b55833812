"""Freezes and windows hold deployments and merges at the moment of use; letting one change through is an approval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Kind
from apps.audit.models import AuditEntry
from apps.changes.services import report_check
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import services
from apps.deployments.jobs.starting import start as start_job
from apps.reviews.models import Review, WindowOverride
from apps.reviews.queries import verdict_of
from apps.reviews.services import override_window, submit_review, withdraw_override
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.people import person

pytestmark = pytest.mark.django_db


def lasting(hours: float = 2, since: float = 1, **more: str) -> str:
    """A freeze of production that began ``since`` hours ago."""
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = now - timedelta(hours=since), now + timedelta(hours=hours)
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"windows: [{{name: year end, kind: freeze, from: {start.isoformat()}, to: {end.isoformat()}{extra}}}]\n"


IN_PRODUCTION = {"environments": "[production]"}


def begun(tmp_path: Path, windows: str) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true") + windows)


def test_a_freeze_holds_the_deployment_and_says_until_when(tmp_path: Path) -> None:
    delivery = begun(tmp_path, lasting(**IN_PRODUCTION))
    change = delivery.merged()
    run_until_idle()
    assert delivery.deployment(change).status == "succeeded"
    held = delivery.deployment(change, "production")
    assert held.status == "pending"
    assert [wait["code"] for wait in held.waits] == ["freeze"]
    assert "Freeze “year end” holds in production until" in held.waits[0]["text"]


def test_an_override_lets_this_change_through_and_is_audited(tmp_path: Path) -> None:
    delivery = begun(tmp_path, lasting(**IN_PRODUCTION))
    change = delivery.merged()
    run_until_idle()
    carol = delivery.people.carol
    row = override_window(carol, change=change, stage="deploy", environment="production", reason="down " * 100)
    assert row.windows == ["year end"]
    entry = AuditEntry.objects.get(action="window.overridden")
    assert (entry.change_number, entry.data["reason"]) == (change.number, ("down " * 100).strip())
    run_until_idle()
    assert delivery.deployment(change, "production").status == "succeeded"
    other = delivery.merged("two")
    run_until_idle()
    assert delivery.deployment(other, "production").status == "pending"


def test_a_freeze_that_begins_between_queueing_and_start_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack case A14 of the features: what was queued before is judged when it starts."""
    delivery = begun(tmp_path, lasting(hours=5, since=-2, **IN_PRODUCTION))
    change = delivery.merged()
    run_jobs("deployments.start", "deployments.follow")
    run_until_idle(10)
    held = delivery.deployment(change, "production")
    assert held.status == "succeeded"
    later = delivery.merged("two")
    waiting = delivery.deployment(later, "production")
    moment = datetime.now(UTC) + timedelta(hours=3)
    monkeypatch.setattr("apps.reviews.holds.now", lambda: moment)
    start_job(waiting.pk)
    run_until_idle(10)
    waiting.refresh_from_db()
    assert waiting.status == "pending"
    assert "freeze" in [wait["code"] for wait in waiting.waits]


def test_a_freeze_that_comes_into_the_policy_later_holds_what_was_merged_before(tmp_path: Path) -> None:
    yaml = pipeline("true", "true").replace(
        "protected: true\n    deploy: {", "protected: true\n    deploy: {start: manual, "
    )
    delivery = Delivery.start(tmp_path, yaml)
    change = delivery.merged()
    run_until_idle()
    frozen = delivery.merged("freeze", {".gitops/portal.yaml": yaml + lasting(**IN_PRODUCTION)})
    run_until_idle()
    assert frozen.merge_commit
    services.release(delivery.people.carol, deployment=delivery.deployment(change, "production"))
    run_until_idle()
    held = delivery.deployment(change, "production")
    assert held.status == "pending"
    assert "freeze" in [wait["code"] for wait in held.waits]


def test_a_defect_while_judging_a_window_holds_the_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.policies.evaluation import windows

    delivery = begun(tmp_path, lasting(environments="[staging]"))
    change = delivery.merged()
    monkeypatch.setattr(windows, "_text", lambda *_: 1 / 0)
    run_jobs("deployments.start")
    held = delivery.deployment(change)
    assert held.status == "pending"
    assert "could not be evaluated" in held.waits[0]["text"]


def test_a_report_counts_while_its_reporter_may_report(tmp_path: Path) -> None:
    delivery = asking(tmp_path, "{approvals: 1, from: [role/reviewer], checks: [unit tests]}")
    change = delivery.approved()
    robot = person("robot")
    robot.kind = Kind.SERVICE
    robot.save()
    role = delivery.repository.roles.create(user=robot, role="author")
    tree = change.revision.result_tree if change.revision else ""
    report_check(robot, change=change, name="unit tests", state="success", tree=tree)
    assert verdict_of(change).allowed
    role.delete()
    assert not verdict_of(change).allowed


def test_who_may_not_override_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    delivery = begun(tmp_path, lasting(**IN_PRODUCTION))
    change = delivery.merged()
    run_until_idle()
    deploy: dict[str, Any] = {"change": change, "stage": "deploy", "environment": "production", "reason": "please"}
    with pytest.raises(NotAllowed) as own:
        override_window(delivery.people.alice, **deploy)
    assert own.value.code == "contributor"
    with pytest.raises(NotAllowed) as stranger:
        override_window(delivery.people.bob, **deploy)
    assert "role/maintainer" in stranger.value.message
    with pytest.raises(InvalidInput):
        override_window(delivery.people.carol, **{**deploy, "reason": "  "})
    with pytest.raises(InvalidInput):
        override_window(delivery.people.carol, **{**deploy, "stage": "merge"})
    with pytest.raises(InvalidInput) as typo:
        override_window(delivery.people.carol, **{**deploy, "environment": "prodution"})
    assert typo.value.code == "unknown_environment"
    with pytest.raises(Conflict) as idle:
        override_window(delivery.people.carol, change=change, reason="nothing holds the merge")
    assert idle.value.code == "nothing_holds"
    assert not WindowOverride.objects.exists()
    on_record = AuditEntry.objects.filter(action__startswith="window.").order_by("seq")
    assert [(row.action, row.actor_name) for row in on_record] == [
        ("window.override_refused", "alice"),
        ("window.override_refused", "bob"),
    ]


def test_an_override_that_is_taken_back_does_not_count(tmp_path: Path) -> None:
    delivery = begun(tmp_path, lasting(**IN_PRODUCTION))
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    row = override_window(
        delivery.people.carol, change=change, stage="deploy", environment="production", reason="by mistake"
    )
    with pytest.raises(NotAllowed):
        withdraw_override(delivery.people.bob, change=change, override=row.pk)
    withdraw_override(delivery.people.carol, change=change, override=row.pk)
    with pytest.raises(Conflict):
        withdraw_override(delivery.people.carol, change=change, override=row.pk)
    run_until_idle()
    assert delivery.deployment(change, "production").status == "pending"


def test_a_freeze_of_merges_holds_the_merge_until_it_is_overridden_for_this_content(tmp_path: Path) -> None:
    delivery = begun(tmp_path, lasting(holds="[merge]"))
    change = delivery.approved()
    with pytest.raises(Conflict) as held:
        services.merge_change(delivery.people.alice, change=change)
    assert held.value.code == "verdict"
    assert "year end" in held.value.message
    override_window(delivery.people.carol, change=change, reason="the shop is down")
    assert verdict_of(change).allowed
    services.merge_change(delivery.people.alice, change=change)


def test_an_override_ends_with_another_revision_and_after_a_day(tmp_path: Path) -> None:
    delivery = begun(tmp_path, lasting(hours=100, holds="[merge]"))
    change = delivery.approved()
    row = override_window(delivery.people.carol, change=change, reason="the shop is down")
    assert verdict_of(change).allowed
    WindowOverride.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(hours=24))
    assert not verdict_of(change).allowed
    WindowOverride.objects.filter(pk=row.pk).update(created_at=row.created_at, subject="0" * 64)
    assert not verdict_of(change).allowed


def test_an_allow_window_that_is_closed_names_its_next_opening(tmp_path: Path) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    window = (
        f"windows: [{{name: tuesday, kind: allow, from: {tomorrow.isoformat()}, "
        f"to: {(tomorrow + timedelta(hours=1)).isoformat()}, environments: [staging]}}]\n"
    )
    delivery = begun(tmp_path, window)
    change = delivery.merged()
    run_until_idle()
    held = delivery.deployment(change)
    assert [wait["code"] for wait in held.waits] == ["window"]
    assert "the next one opens" in held.waits[0]["text"]


def test_a_roll_back_to_what_was_live_is_not_held(tmp_path: Path) -> None:
    delivery = begun(tmp_path, "")
    change = delivery.merged()
    run_until_idle()
    delivery.work.run("fetch", "-q", "origin")
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(change))
    verdict = verdict_of(inverse)
    assert not any(row.code in ("freeze", "window") for row in verdict.requirements)


# --- options of rules, through the services ---------------------------------------------------------------------


def asking(tmp_path: Path, needs: str) -> Delivery:
    yaml = pipeline("true", "true").replace(
        "{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}", f"{{name: a reviewer, needs: {needs}}}"
    )
    return Delivery.start(tmp_path, yaml)


def test_an_approval_without_signing_in_again_is_refused_where_a_rule_asks(tmp_path: Path) -> None:
    delivery = asking(tmp_path, "{approvals: 1, from: [role/reviewer], reauthenticate: true}")
    change = delivery.proposed()
    bob = delivery.people.bob
    with pytest.raises(InvalidInput) as refused:
        submit_review(bob, change=change, revision=1, verdict="approve", via="token")
    assert refused.value.code == "reauthenticate"
    assert not Review.objects.exists()
    submit_review(bob, change=change, revision=1, verdict="approve", reauthenticated=True)
    assert verdict_of(change).allowed


def test_an_approval_that_expired_is_given_anew(tmp_path: Path) -> None:
    delivery = asking(tmp_path, "{approvals: 1, from: [role/reviewer], expires: 1h}")
    change = delivery.approved()
    assert verdict_of(change).allowed
    Review.objects.update(created_at=Review.objects.get().created_at - timedelta(hours=2))
    verdict = verdict_of(change)
    assert not verdict.allowed
    assert any("has expired" in one.text for row in verdict.requirements for one in row.not_counted)
    delivery.approve(change)
    assert verdict_of(change).allowed
    with pytest.raises(Conflict):
        delivery.approve(change)  # a double click


def test_checks_are_reported_by_pipelines_for_exactly_the_merge_result(tmp_path: Path) -> None:
    delivery = asking(tmp_path, "{approvals: 1, from: [role/reviewer], checks: [unit tests]}")
    change = delivery.approved()
    assert not verdict_of(change).allowed
    robot = person("robot")
    robot.kind = Kind.SERVICE
    robot.save()
    delivery.repository.roles.create(user=robot, role="author")
    tree = change.revision.result_tree if change.revision else ""
    report: dict[str, Any] = {"change": change, "name": "unit tests", "tree": tree}
    for who in (delivery.people.alice, delivery.people.bob):
        with pytest.raises(NotAllowed):
            report_check(who, state="success", **report)
    with pytest.raises(Conflict) as stale:
        report_check(robot, state="success", **{**report, "tree": "0" * 40})
    assert stale.value.code == "stale_revision"
    with pytest.raises(InvalidInput):
        report_check(robot, state="skipped", **report)
    with pytest.raises(InvalidInput):
        report_check(robot, state="success", url="javascript:alert(1)", **report)
    assert not AuditEntry.objects.filter(action="check.reported").exists()
    report_check(robot, state="success", **report)
    assert verdict_of(change).allowed
    report_check(robot, state="failure", **report)
    assert not verdict_of(change).allowed
    report_check(robot, state="success", **report)
    services.merge_change(delivery.people.alice, change=change)
