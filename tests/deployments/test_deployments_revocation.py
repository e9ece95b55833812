"""Taking away wins before the decision and is too late after it: who judges, judges what nobody can change meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from apps.accounts.models import User
from apps.accounts.services import deactivate_user, remove_team_member
from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, NotAllowed, NotVisible
from apps.deployments import services
from apps.deployments.jobs import starting
from apps.deployments.models import MergeIntent
from apps.repositories.models import RepositoryRole
from apps.repositories.services import set_member
from apps.reviews.services import withdraw_review
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.people import team

pytestmark = [pytest.mark.django_db(transaction=True)]
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
GATE = "  - {name: release, stage: deploy, when: {environments: [production]}, needs: {approvals: 1, from: [team/release]}}\n"


@pytest.fixture(autouse=True)
def _right_engine(engine: str) -> None:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")


def demote(delivery: Delivery) -> None:
    set_member(delivery.people.carol, repository=delivery.repository, member="bob", role="viewer")


def leave_the_team(delivery: Delivery) -> None:
    from apps.accounts.models import Team

    remove_team_member(delivery.people.erin, team=Team.objects.get(name="experts"), user=delivery.people.bob)


def disable(delivery: Delivery) -> None:
    deactivate_user(delivery.people.erin, user=delivery.people.bob)


def withdraw(delivery: Delivery) -> None:
    change = delivery.repository.changes.get()
    withdraw_review(delivery.people.bob, change=change, review=change.reviews.get().pk)


TAKEN = pytest.mark.parametrize("take_away", [demote, leave_the_team, disable, withdraw], ids=lambda one: one.__name__)


def begun(tmp_path: Path) -> Delivery:
    delivery = Delivery.start(tmp_path, pipeline().replace("from: [role/reviewer]", "from: [team/experts]"))
    team("experts", delivery.people.bob)
    return delivery


def in_another_process_soon(act: Callable[[], None]) -> tuple[threading.Thread, list[str]]:
    """``act`` on a connection of its own; what came of it."""
    ended: list[str] = []

    def run() -> None:
        try:
            act()
            ended.append("done")
        except Conflict as refused:
            ended.append(refused.code)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def merged_while(
    delivery: Delivery, take_away: Callable[[Delivery], None], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Merge; between the verdict and what it is written for, ``take_away`` gets half a second. What had ended by then."""
    from apps.deployments.services import merging

    judge, seen = merging.judge, []
    threads: list[threading.Thread] = []

    def slow(change: Any) -> Any:
        judged = judge(change)
        thread, ended = in_another_process_soon(lambda: take_away(delivery))
        threads.append(thread)
        time.sleep(0.5)
        seen.extend(ended)
        return judged

    monkeypatch.setattr(merging, "judge", slow)
    change = delivery.repository.changes.get()
    services.merge_change(delivery.people.alice, change=change)
    for thread in threads:
        thread.join(30)
    return seen


@BOTH
@TAKEN
def test_what_is_taken_away_before_the_decision_closes_the_gate(
    tmp_path: Path, engine: str, take_away: Callable[[Delivery], None]
) -> None:
    delivery = begun(tmp_path)
    change = delivery.approved()
    take_away(delivery)
    with pytest.raises(Conflict) as refused:
        services.merge_change(delivery.people.alice, change=change)
    assert refused.value.code == "verdict"
    assert not MergeIntent.objects.exists()


@BOTH
@TAKEN
def test_what_is_taken_away_during_the_decision_comes_after_it(
    tmp_path: Path, engine: str, take_away: Callable[[Delivery], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = begun(tmp_path)
    delivery.approved()
    assert merged_while(delivery, take_away, monkeypatch) == []
    entries = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    taken = {"repository.member_set", "team.member_removed", "user.deactivated", "review.withdrawn"} & set(entries)
    assert "change.merging" in entries
    for action in taken:
        assert entries.index("change.merging") < len(entries) - 1 - entries[::-1].index(action)


@BOTH
@pytest.mark.parametrize("loss", ["role", "account"])
def test_who_pressed_merge_must_still_be_allowed_to_when_it_is_decided(
    tmp_path: Path, engine: str, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed between the first look at the person and the lock of the log is seen."""
    delivery = begun(tmp_path)
    change = delivery.approved()
    hold, alice = audit.hold_log, delivery.people.alice

    def held() -> None:
        if loss == "role":
            RepositoryRole.objects.filter(user=alice).update(role="viewer")
        else:
            User.objects.filter(pk=alice.pk).update(is_active=False)
        hold()

    monkeypatch.setattr(audit, "hold_log", held)
    with pytest.raises((NotAllowed, NotVisible)):
        services.merge_change(alice, change=change)
    assert not MergeIntent.objects.exists()


@pytest.mark.parametrize("engine", [pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_without_the_lock_a_demotion_would_slip_in_before_the_merge(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken out: this is what the test above would see, so it can fail."""
    monkeypatch.setattr(audit, "hold_log", lambda: None)
    delivery = begun(tmp_path)
    delivery.approved()
    assert merged_while(delivery, demote, monkeypatch) == ["done"]
    entries = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert entries.index("change.merging") > entries.index("repository.member_set")


@BOTH
def test_an_approval_that_is_lost_between_two_looks_at_a_deployment_holds_it(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look finds nothing in the way; then the approver leaves; the second look, which counts, sees it."""
    from apps.reviews.services import submit_review

    delivery = Delivery.start(tmp_path, pipeline("true", "true", rules=GATE))
    team("release", delivery.people.bob)
    change = delivery.merged()
    submit_review(
        delivery.people.bob, change=change, revision=1, verdict="approve", stage="deploy", environment="production"
    )
    run_jobs("deployments.start", "deployments.follow")
    deadline = time.monotonic() + 20
    while delivery.deployment(change).status != "succeeded" and time.monotonic() < deadline:
        run_jobs("deployments.follow")
        time.sleep(0.05)
    waiting = delivery.deployment(change, "production")
    assert waiting.status == "pending"
    looks, real = [], starting.look_at

    def look(deployment: Any) -> Any:
        found = real(deployment)
        looks.append(len(found.waits))
        if len(looks) == 1:
            from apps.accounts.models import TeamMembership

            TeamMembership.objects.filter(user=delivery.people.bob).delete()
        return found

    monkeypatch.setattr(starting, "look_at", look)
    starting.start(waiting.pk)
    waiting.refresh_from_db()
    assert looks == [0, 1]
    assert waiting.status == "pending"
    assert [wait["code"] for wait in waiting.waits] == ["gate"]
