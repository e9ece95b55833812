"""A comparison says why a side lacks a change: what took it back, and where it was tried and failed; in the same words over the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.deployments.queries.lacking import lacking
from apps.presentation.comparison_page import Asked, comparison_page
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)
PLAIN = "apiVersion: portal/v1\nenvironments: {staging: {}, production: {after: [staging]}}\nrules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]\n"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client


def landed(delivery: Delivery, *names: str) -> list[ChangeRequest]:
    found = []
    for name in names:
        found.append(delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}))
        run_until_idle()
    return found


def since(row: Deployment) -> str:
    """A moment at which ``row`` was live and nothing later."""
    assert row.ended_at is not None
    return (row.ended_at + timedelta(microseconds=1)).isoformat()


def why(delivery: Delivery, asked: Asked) -> dict[str, list[tuple[str, str]]]:
    page = comparison_page(delivery.people.bob, asked)
    assert page.between is not None
    assert not page.between.problem
    return {
        one.change.title: [(reason.text, reason.url) for reason in one.reasons]
        for one in (*page.only_end, *page.only_start)
    }


def test_what_was_tried_and_failed_is_named_with_its_deployment(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline(production="! test -e app/two.yaml"))
    one, two = landed(delivery, "one", "two")
    tried = delivery.deployment(two, "production")
    assert (tried.status, delivery.deployment(one, "production").status) == ("failed", "succeeded")
    asked = Asked("infra/production", "infra/staging")
    assert why(delivery, asked) == {
        "Change two": [(f"failed in production: {tried.label}", f"/deployments/{tried.number}/")]
    }
    query = "from=infra/production&to=infra/staging"
    bob = client_of(delivery.people.bob)
    html = bob.get(f"/environments/compare/?{query}").content.decode()
    assert f'<a href="/deployments/{tried.number}/">failed in production: {tried.label}</a>' in html
    (told,) = bob.get(f"/api/v1/environments/compare/?{query}").json()["only_in_to"]
    assert told["reasons"] == [
        {"reason": "failed", "text": f"failed in production: {tried.label}", "change": None, "deployment": tried.number}
    ]
    before = tried.started_at
    assert before is not None
    found = lacking(tried.environment, [two], until=before, others=())
    assert (found.due, found.failed) == ({two.number}, {}), "at that time it had not failed yet"
    Deployment.objects.filter(pk=tried.pk).update(status="pending", ended_at=None)
    assert why(delivery, asked) == {"Change two": []}, "a new attempt waits"


def test_what_was_rolled_back_is_taken_back_until_that_is_rolled_back_too(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, PLAIN)
    one, two = landed(delivery, "one", "two")
    back = services.roll_back(delivery.people.carol, deployment=delivery.deployment(two))
    run_until_idle()
    asked = Asked("infra/staging", "infra/staging", since(delivery.deployment(one)))
    taken = [(f"taken back by {back.label}", f"/changes/{back.number}/")]
    assert why(delivery, asked) == {back.title: [], "Change two": taken}
    again = services.roll_back(delivery.people.carol, deployment=delivery.deployment(back))
    run_until_idle()
    assert why(delivery, asked) == {
        again.title: [], back.title: [(f"taken back by {again.label}", f"/changes/{again.number}/")], "Change two": [],
    }  # fmt: skip


def test_an_earlier_state_brought_back_takes_back_what_lay_above_it_at_no_cost_per_change(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, PLAIN)
    changes = landed(delivery, "one", "two", "three")
    first = delivery.deployment(changes[0])
    found = services.bring_back(delivery.people.carol, deployment=first)
    run_until_idle()
    back = ChangeRequest.objects.get(pk=found.pk)
    taken = [(f"taken back by {back.label}", f"/changes/{back.number}/")]
    asked = Asked("infra/staging", "infra/staging", since(first))
    assert why(delivery, asked) == {back.title: [], "Change three": taken, "Change two": taken}
    until, staging = datetime.fromisoformat(since(first)), first.environment
    counts = []
    for some in (changes[2:], changes[1:]):
        with CaptureQueriesContext(connection) as seen:
            lacking(staging, some, until=until, others=())
        counts.append(len(seen))
    assert counts == [3, 3]
