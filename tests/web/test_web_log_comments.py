"""Commenting on a line of a deployment's log: a form without scripts, a thread of the change, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.deployments.models import Deployment
from apps.reviews import services as reviews
from apps.reviews.models import Thread
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("printf 'one\\n<b>two</b>\\n'"))


@pytest.fixture
def deployment(delivery: Delivery) -> Deployment:
    change = delivery.merged("one")
    run_until_idle()
    return delivery.deployment(change)


def client(delivery: Delivery, name: str = "bob") -> Client:
    made = Client()
    made.force_login(getattr(delivery.people, name), backend="apps.accounts.backends.PortalBackend")
    return made


def fields(**changed: object) -> dict[str, object]:
    return {"step": "apply", "line": 2, "body": "Why two?", "kind": "question", **changed}


def test_a_comment_on_a_line_becomes_a_thread_and_leads_back_to_the_line(
    delivery: Delivery, deployment: Deployment
) -> None:
    url = f"/deployments/{deployment.number}/"
    bob = client(delivery)
    page = bob.get(url).content.decode()
    assert f'href="{url}comment/?attempt=1"' in page
    form = bob.get(f"{url}comment/?attempt=1&step=apply&line=2").content.decode()
    assert '<option value="apply" selected>' in form
    assert 'name="line" value="2"' in form
    answer = bob.post(f"{url}comment/?attempt=1", fields())
    assert (answer.status_code, answer["Location"]) == (303, f"{url}?attempt=1#step-apply-L2")
    thread = Thread.objects.get()
    assert (thread.scope, thread.locator, thread.kind) == ("log", f"d-{deployment.number} apply 2", "question")
    assert thread.snippet == "<b>two</b>"
    page = bob.get(url).content.decode()
    assert "1 thread about this log" in page
    assert f"/changes/{deployment.change.number}/#thread-1" in page
    shown = bob.get(f"/changes/{deployment.change.number}/threads/1/").content.decode()
    assert f'href="{url}?attempt=1&amp;step=apply&amp;line=2#step-apply-L2"' in shown, "also after a retry"
    assert "&lt;b&gt;two&lt;/b&gt;" in shown
    assert "<b>two</b>" not in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"line": 3}, "printed the line"),
        ({"line": 0}, "greater than or equal to 1"),
        ({"line": 10**9}, "less than or equal to"),
        ({"line": "two"}, "whole number"),
        ({"step": "verify"}, "not one of the available choices"),
        ({"step": "apply\n"}, "not one of the available choices"),
        ({"body": " "}, "required"),
    ],
)
def test_what_is_not_a_line_is_said_and_the_text_is_kept(
    delivery: Delivery, deployment: Deployment, changed: dict[str, object], said: str
) -> None:
    answer = client(delivery).post(f"/deployments/{deployment.number}/comment/", fields(**changed))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert said in text
    assert "body" in changed or "Why two?" in text
    assert not Thread.objects.exists()


def test_who_only_reads_is_not_offered_a_comment_and_outsiders_see_nothing(
    delivery: Delivery, deployment: Deployment
) -> None:
    url = f"/deployments/{deployment.number}/"
    assert "data-log-comment" not in client(delivery, "dave").get(url).content.decode()
    assert client(delivery, "dave").post(f"{url}comment/", fields()).status_code == 403
    assert client(delivery, "mallory").get(f"{url}comment/").status_code == 404
    assert client(delivery, "mallory").post(f"{url}comment/", fields()).status_code == 404
    assert not Thread.objects.exists()


def test_a_double_click_makes_one_thread(delivery: Delivery, deployment: Deployment) -> None:
    bob, url = client(delivery), f"/deployments/{deployment.number}/comment/"
    for _ in range(2):
        assert bob.post(url, fields(idempotency_key="k" * 20)).status_code == 303
    assert Thread.objects.count() == 1


def test_a_thread_on_a_log_is_never_outdated(delivery: Delivery, deployment: Deployment) -> None:
    client(delivery).post(f"/deployments/{deployment.number}/comment/", fields())
    thread = Thread.objects.get()
    reviews.reply(delivery.people.alice, thread=thread, body="It is right")
    run_jobs()
    shown = client(delivery).get(f"/changes/{deployment.change.number}/").content.decode()
    assert "as it was in" not in shown


def test_the_line_that_is_kept_has_what_a_terminal_would_not_print(tmp_path: Path) -> None:
    made = Delivery.start(tmp_path, pipeline(r"printf '\033]0;ERROR: dropped table users\007ok\n'"))
    change = made.merged("one")
    run_until_idle()
    url = f"/deployments/{made.deployment(change).number}/"
    assert client(made).post(f"{url}comment/", fields(line=1)).status_code == 303
    assert "ERROR: dropped table users ok" in Thread.objects.get().snippet
    assert "osc 0;ERROR: dropped table users" in client(made).get(url).content.decode()
    assert "dropped" in client(made).get(f"{url}search/?q=dropped").content.decode()
