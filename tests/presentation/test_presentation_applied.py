"""What is applied already is said where somebody cancels, repeats, decides or takes back: on the page and before the button."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from apps.deployments.models import Attempt, Deployment
from apps.deployments.services import retry
from apps.presentation.applied import applied_of
from apps.presentation.deployment_page import SIGNS, deployment_page
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db
THREE_STEPS = """\
apiVersion: portal/v1
environments:
  staging:
    deploy: {via: local, steps: [{name: prepare, run: 'true'}, {name: apply, run: 'exit 3'}, {name: verify, run: 'true'}]}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
RESOURCE = {"kind": "Deployment", "group": "apps", "namespace": "shop", "sync": "synced", "message": ""}


@pytest.fixture
def failed(tmp_path: Path) -> tuple[Delivery, Deployment]:
    delivery = Delivery.start(tmp_path, THREE_STEPS)
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "failed"
    return delivery, row


def text_of(delivery: Delivery, address: str, who: str = "carol") -> str:
    client = Client()
    client.force_login(getattr(delivery.people, who))
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_steps_count_as_they_ended_last_over_all_attempts(failed: tuple[Delivery, Deployment]) -> None:
    delivery, row = failed
    found = applied_of(row, row.attempt_rows.all())
    assert (found.done, found.partly, found.never) == (("prepare",), ("apply",), ("verify",))
    retry(delivery.people.carol, deployment=row, from_step=1)
    run_until_idle()
    row.refresh_from_db()
    found = applied_of(row, row.attempt_rows.all())
    assert (found.done, found.partly, found.never) == (("prepare (attempt 1)",), ("apply",), ("verify",))


def test_page_and_confirmations_say_what_is_applied(failed: tuple[Delivery, Deployment]) -> None:
    delivery, row = failed
    told = [{**RESOURCE, "name": "web", "health": "healthy"}, {**RESOURCE, "name": "<b>db", "health": "degraded"}]
    Attempt.objects.filter(deployment=row).update(resources=told)
    said = (
        "<b>Ran:</b> prepare.",
        "<b>Begun, perhaps applied in part:</b> apply.",
        "Not run: verify.",
        "2 resources of it are known, 1 healthy",
        "Deployment shop/web",
        "Deployment shop/&lt;b&gt;db",
    )
    for address in ("", "rollback/"):
        shown = text_of(delivery, f"/deployments/{row.number}/{address}")
        assert [one for one in said if one not in shown] == [], address
        assert "stays" not in shown.partition("What happens")[0], (
            "a plan changes nothing, and a roll-back is there to undo"
        )
    shown = text_of(delivery, f"/deployments/{row.number}/retry/")
    assert [one for one in (*said, "from apply, not again prepare") if one not in shown] == []
    Deployment.objects.filter(pk=row.pk).update(status="unknown")
    shown = text_of(delivery, f"/deployments/{row.number}/resolve/")
    assert [one for one in said if one not in shown] == []
    Deployment.objects.filter(pk=row.pk).update(status="running")
    shown = text_of(delivery, f"/deployments/{row.number}/cancel/")
    assert [one for one in said if one not in shown] == []
    Deployment.objects.filter(pk=row.pk).update(status="succeeded", problem="")
    shown = text_of(delivery, f"/deployments/{row.number}/")
    assert "It ended without an error." in shown
    assert "<b>Ran:</b>" not in shown


def test_before_the_first_attempt_nothing_is_applied_and_before_another_one_what_was_stays(
    failed: tuple[Delivery, Deployment],
) -> None:
    delivery, row = failed
    waiting = delivery.deployment(delivery.merged("two"))
    assert "Nothing ran yet, so nothing has to be taken back." in text_of(
        delivery, f"/deployments/{waiting.number}/cancel/"
    )
    retry(delivery.people.carol, deployment=row)
    shown = text_of(delivery, f"/deployments/{row.number}/cancel/")
    assert "What earlier ones applied stays applied." in shown
    assert "<b>Ran:</b> prepare." in shown
    assert "Nothing ran yet" not in shown


def test_while_a_new_attempt_waits_the_last_one_is_folded_and_its_clock_is_not_shown(
    failed: tuple[Delivery, Deployment],
) -> None:
    delivery, row = failed
    before = text_of(delivery, f"/deployments/{row.number}/")
    assert len(re.findall(r'<details class="log"[^>]* open', before)) > 0
    assert deployment_page(delivery.people.carol, row.number).seconds is not None
    retry(delivery.people.carol, deployment=row)
    found = deployment_page(delivery.people.carol, row.number)
    assert (found.seconds, found.since, found.is_slow) == (None, None, False)
    shown = text_of(delivery, f"/deployments/{row.number}/")
    assert 'id="step-apply"' in shown
    assert re.findall(r'<details class="log"[^>]* open', shown.partition("<template>")[0]) == []
    run_until_idle()
    again = text_of(delivery, f"/deployments/{row.number}/").partition("<template>")[0]
    assert len(re.findall(r'<details class="log"[^>]* open', again)) > 0


def test_title_and_icon_say_how_it_stands(failed: tuple[Delivery, Deployment]) -> None:
    delivery, row = failed
    icons = {
        "failed": "failed",
        "succeeded": "succeeded",
        "unknown": "unknown",
        "running": "running",
        "pending": "running",
    }
    for status, icon in icons.items():
        Deployment.objects.filter(pk=row.pk).update(status=status)
        shown = text_of(delivery, f"/deployments/{row.number}/", "alice")
        assert f"{SIGNS[status]} {row.label}" in shown.partition("</title>")[0]
        assert f'id="favicon" type="image/svg+xml" href="/static/favicon-{icon}.svg"' in shown
    Deployment.objects.filter(pk=row.pk).update(status="cancelled")
    assert deployment_page(delivery.people.alice, row.number).icon == "favicon.svg"
