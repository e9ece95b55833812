"""The page of a run that failed, without scripts: it opens at the first error, and says what is known and of when."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, MergeIntent, Step
from apps.deployments.transitions import append_event
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import log_event

pytestmark = pytest.mark.django_db(transaction=True)
HEALTHY = {"kind": "Deployment", "group": "apps", "namespace": "shop", "name": "web", "sync": "synced", "health": "healthy",
           "message": ""}  # fmt: skip


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


def test_the_header_names_revision_effect_and_who_approved(row: Deployment, alice: Client):
    intent = MergeIntent.objects.select_related("revision").get()
    header = read(alice, f"/deployments/{row.number}/_header/")
    assert f"r1, effect <code>{intent.revision.subject[:12]}</code>" in header
    assert re.search(r"approved by\s+<span[^>]*>@bob</span>", header)
    standing = {"username": "carol", "counts": True, "verdict": "approve"}
    lost = {"username": "dave", "counts": False, "verdict": "approve"}
    Attempt.objects.update(verdict={"standings": [standing, lost, {**standing, "username": "bob"}]})
    header = read(alice, f"/deployments/{row.number}/_header/")
    assert re.findall(r">@(\w+)", header.partition("approved by")[2]) == ["bob", "carol"], (
        "for the merge, and then for this start; each once"
    )
    Attempt.objects.update(verdict={})
    MergeIntent.objects.update(verdict={**intent.verdict, "standings": []})
    assert "without an approval" in read(alice, f"/deployments/{row.number}/_header/")
    MergeIntent.objects.all().delete()
    assert "approved-by" not in read(alice, f"/deployments/{row.number}/_header/"), (
        "nothing is said where nothing is known"
    )


def test_resources_have_the_moment_at_which_they_were_told(row: Deployment, alice: Client):
    assert "as of" not in read(alice, f"/deployments/{row.number}/_events/")
    ended = now() - timedelta(days=3, hours=5)
    Attempt.objects.update(resources=[HEALTHY], ended_at=ended)
    assert f'as of <time datetime="{ended:%Y-%m-%dT%H:%M}' in read(alice, f"/deployments/{row.number}/_events/")
    Attempt.objects.update(ended_at=None)
    with transaction.atomic():
        append_event(row, kind=DeploymentEvent.Kind.RESOURCES, text="1 of 1", attempt=1)
    told = now() - timedelta(minutes=90)
    DeploymentEvent.objects.filter(kind=DeploymentEvent.Kind.RESOURCES).update(at=told)
    assert f'as of <time datetime="{told:%Y-%m-%dT%H:%M}' in read(alice, f"/deployments/{row.number}/_events/")


def test_older_events_are_counted_and_one_link_away(row: Deployment, alice: Client):
    for number in range(100):
        with transaction.atomic():
            append_event(row, kind=DeploymentEvent.Kind.STATE, text=f"Look {number}.", attempt=1)
    address, seen = f"/deployments/{row.number}/", []
    facts = row.events.exclude(kind=DeploymentEvent.Kind.LOG)
    html = read(alice, address)
    assert f"{facts.count() - 40} earlier events</a>" in html
    while (more := re.search(r'href="([^"]+_events/\?before=\d+)"', html)) is not None:
        seen += re.findall(r'data-stamp="(\d+)"', html)
        html = read(alice, more[1])
        assert "portal:deployment-events" not in html, "what is older never changes"
    seen += re.findall(r'data-stamp="(\d+)"', html)
    assert seen == [str(seq) for seq in facts.order_by("-seq").values_list("seq", flat=True)]
    assert f'<a href="{address}_events/">The newest</a>' in html


def test_an_event_that_is_the_end_says_which_and_that_of_a_step_does_not_look_like_it(row: Deployment, alice: Client):
    told = (("step", "failed"), ("state", "failed"), ("state", "running"), ("state", ""))
    for kind, status in told:
        with transaction.atomic():
            append_event(
                row, kind=kind, text="Step apply exited with 1.", data={"status": status} if status else {}, attempt=1
            )
    html = read(alice, f"/deployments/{row.number}/_events/")
    rows = re.findall(r'<li id="event-place-\d+".*?</li>', html, re.DOTALL)[: len(told)]
    assert [re.findall(r'class="st st--(\w+)"', one) for one in reversed(rows)] == [[], ["bad"], [], []]
    assert "Failed</span>" in rows[-2]


def test_the_log_names_the_zone_of_its_times_and_the_day_once(row: Deployment, alice: Client):
    html = read(alice, f"/deployments/{row.number}/")
    assert "Times of lines in UTC" in html
    assert re.search(r'begun <time datetime="[^"]+">\d+ \w+ \d{4}, \d\d:\d\d UTC</time>', html)
    assert "times in UTC" in read(alice, f"/deployments/{row.number}/_log/?step=apply&attempt=1&from=101&to=200")


def test_no_id_is_there_twice_with_several_steps(row: Deployment, alice: Client):
    ids = re.findall(r'\bid="([^"]+)"', read(alice, f"/deployments/{row.number}/"))
    assert sorted(one for one in set(ids) if ids.count(one) > 1) == []
