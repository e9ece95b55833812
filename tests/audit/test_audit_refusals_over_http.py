"""Refused emergencies and refused overrides of windows are on record, from the page as from the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import create_token
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.reviews.models import Emergency, EmergencyConfirmation, WindowOverride
from apps.reviews.services import declare_emergency
from tests.support.delivery import Delivery, pipeline
from tests.support.people import team

pytestmark = pytest.mark.django_db(transaction=True)
FREEZE = (
    "windows: [{name: year end, kind: freeze, holds: [merge], override: [team/release], "
    "from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z}]\n"
)
EMERGENCY = "emergency: {from: [team/incident], approvals: 1, reviewWithin: 24h}\n"
WHY = {"reason": "the shop is down"}


@pytest.fixture(params=["page", "api"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    found = Delivery.start(tmp_path, pipeline("true", "true") + FREEZE + EMERGENCY)
    team("incident", found.people.kim, found.people.alice)
    team("release", found.people.carol, found.people.alice)
    return found


def send(way: str, user: User, change: ChangeRequest, what: str, data: dict[str, str]) -> int:
    """POST ``what`` (below the change) as ``user``; the status of the answer."""
    client = Client(raise_request_exception=False)
    if way == "page":
        client.force_login(user)
        return client.post(f"/changes/{change.number}/{what}", data).status_code
    bearer = {"Authorization": f"Bearer {create_token(user, user=user, name='test')[1]}"}
    address = f"/api/v1/changes/{change.number}/{what.replace('override/', 'overrides/')}"
    return client.post(address, data, content_type="application/json", headers=bearer).status_code


def refused() -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(action__endswith="refused").order_by("seq")
    return [(row.action, row.actor_name, row.data["code"]) for row in rows]


def test_who_may_not_declare_an_emergency_is_on_record(way: str, delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    assert send(way, people.bob, change, "emergency/", WHY) == 403
    assert send(way, people.dave, change, "emergency/", WHY) == 403
    assert refused() == [("emergency.refused", "bob", "not_in_group"), ("emergency.refused", "dave", "not_viewer")]
    entry = AuditEntry.objects.filter(action="emergency.refused").earliest("seq")
    assert (entry.change_number, entry.repository, entry.target) == (change.number, "infra", change.label)
    assert "team/incident" in entry.summary
    assert not Emergency.objects.exists()


def test_an_emergency_that_would_take_a_change_of_the_policy_is_on_record(way: str, delivery: Delivery) -> None:
    change = delivery.proposed("loose", {".gitops/portal.yaml": pipeline("true", "true") + EMERGENCY})
    assert send(way, delivery.people.alice, change, "emergency/", WHY) == 403
    assert refused() == [("emergency.refused", "alice", "touches_policy")]


def test_an_emergency_where_the_policy_has_none_is_on_record(way: str, tmp_path: Path) -> None:
    plain = Delivery.start(tmp_path, pipeline("true", "true"))
    change = plain.proposed()
    assert send(way, plain.people.carol, change, "emergency/", WHY) == 403
    assert refused() == [("emergency.refused", "carol", "no_emergencies")]


def test_who_may_not_confirm_an_emergency_is_on_record(way: str, delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    declare_emergency(people.kim, change=change, reason="the shop is down")
    for who in (people.kim, people.alice, people.bob):
        assert send(way, who, change, "emergency/confirm/", {}) == 403
    assert refused() == [
        ("emergency.confirm_refused", "kim", "declared_it"),
        ("emergency.confirm_refused", "alice", "contributor"),
        ("emergency.confirm_refused", "bob", "not_in_group"),
    ]
    assert not EmergencyConfirmation.objects.exists()


def test_who_may_not_override_a_freeze_is_on_record(way: str, delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    for who in (people.alice, people.bob, people.bob, people.dave):
        assert send(way, who, change, "override/", WHY) == 403
    assert refused() == [
        ("window.override_refused", "alice", "contributor"),
        ("window.override_refused", "bob", "not_in_group"),
        ("window.override_refused", "dave", "not_viewer"),
    ]
    assert not WindowOverride.objects.exists()


def test_what_says_nothing_about_these_gates_writes_nothing(way: str, delivery: Delivery) -> None:
    """Whom the change is hidden from, what is no form at all, and what nothing holds."""
    change, people = delivery.proposed(), delivery.people
    before = AuditEntry.objects.exclude(action__startswith="token.").count()
    for what in ("emergency/", "emergency/confirm/", "override/"):
        assert send(way, people.mallory, change, what, WHY if "confirm" not in what else {}) == 404
    assert send(way, people.bob, change, "override/", {"reason": " "}) == 422
    assert send(way, people.alice, change, "emergency/", {"reason": " "}) == 422
    assert send(way, people.bob, change, "emergency/confirm/", {}) == 409
    assert AuditEntry.objects.exclude(action__startswith="token.").count() == before
