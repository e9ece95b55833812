"""The page of a run that failed, without scripts: it opens at the first error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import log_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def row(tmp_path: Path) -> Deployment:
    """``build`` printed 5,000 lines and succeeded, ``apply`` printed 5,000 with an error at 1,240, ``verify`` never ran."""
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    attempt = Attempt.objects.create(
        deployment=row, number=1, key="k1", outcome="failed", started_at=now(), ended_at=now()
    )
    for position, (name, status) in enumerate((("build", "succeeded"), ("apply", "failed"), ("verify", "skipped"))):
        lines = 0 if status == "skipped" else 5000
        Step.objects.create(
            attempt=attempt, position=position, name=name, status=status, lines=lines, ended_at=now() if lines else None
        )
    for step in ("build", "apply"):
        for first in range(1, 5001, 500):
            log_event(row, first, 500, step=step)
    event = row.events.get(kind=DeploymentEvent.Kind.LOG, step="apply", first_line=1001)
    event.text = event.text.replace("line 1240", "Error: quota exceeded")
    event.save()
    Deployment.objects.filter(pk=row.pk).update(status="failed", attempts=1, started_at=now(), ended_at=now())
    row.refresh_from_db()
    return row


@pytest.fixture
def alice(row: Deployment) -> Client:
    client = Client()
    client.force_login(row.requested_by)
    return client


def read(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def numbers(html: str, anchor: str) -> list[int]:
    return [int(found) for found in re.findall(rf'id="{anchor}-L(\d+)"', html)]


def opened(html: str) -> dict[str, bool]:
    return {
        step: "open" in rest
        for step, rest in re.findall(r'<details class="log" id="[^"]*" data-step="(\w+)"(.*?)>', html)
    }


def test_the_step_that_failed_opens_at_its_first_error(row: Deployment, alice: Client):
    html = read(alice, f"/deployments/{row.number}/")
    assert numbers(html, "step-apply") == [*range(1, 101), *range(1040, 1440), *range(3001, 5001)]
    assert 'data-at="step-apply-L1240"' in html
    assert f'href="/deployments/{row.number}/?attempt=1&amp;step=apply&amp;line=1240#step-apply-L1240"' in html
    assert opened(html) == {"build": False, "apply": True, "verify": True}, "what has no line says why"
    assert len(numbers(html, "step-build")) == 2100


def test_an_address_that_asks_for_lines_is_answered_as_it_asks(row: Deployment, alice: Client):
    for wanted in ("?show=errors", "?attempt=1&step=apply&line=3000"):
        html = read(alice, f"/deployments/{row.number}/{wanted}")
        assert "data-at=" not in html
        assert set(opened(html).values()) == {True}


def test_while_it_runs_the_end_is_what_matters(row: Deployment, alice: Client):
    Attempt.objects.update(ended_at=None, outcome="")
    Deployment.objects.update(status="running", ended_at=None)
    html = read(alice, f"/deployments/{row.number}/")
    assert "data-at=" not in html
    assert len(numbers(html, "step-apply")) == 2100


def test_opening_at_the_error_costs_few_lines_and_queries(row: Deployment, alice: Client):
    address = f"/deployments/{row.number}/"
    read(alice, address)
    with CaptureQueriesContext(connection) as at_error:
        html = read(alice, address)
    with CaptureQueriesContext(connection) as plain:
        whole = read(alice, f"{address}?step=none")
    assert len(at_error) - len(plain) <= 3
    assert len(html) - len(whole) < 400 * 250
