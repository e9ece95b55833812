"""The page before a new attempt names exactly what becomes live with it, as the page before a start does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.core.clock import now
from apps.deployments.models import Deployment, Environment
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.web.test_web_drift import client_of

pytestmark = pytest.mark.django_db


def page_of(delivery: Delivery, row: Deployment) -> str:
    answer = client_of(delivery.people.carol).get(f"/deployments/{row.number}/retry/")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode().partition("<main")[2]))


def test_it_lists_what_comes_along_and_repeats_no_warning(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("echo 'Error: quota exceeded'; exit 1"))
    one = delivery.merged("one", {"app/one.yaml": "a: 1\n"})
    run_until_idle()
    two = delivery.merged("two", {"app/two.yaml": "a: 1\n"})
    run_until_idle()
    row = delivery.deployment(two)
    assert row.status == "failed"
    shown = page_of(delivery, row)
    assert "Then all of the branch is live, with these changes:" in shown
    assert shown.index(f"{one.label} Change one") < shown.index(f"{two.label} Change two")
    assert "The last run in staging failed" not in shown, "the page says so itself"
    assert shown.count("It fails again unless its reason is gone.") == 1


def test_it_says_when_something_newer_is_live_that_would_be_taken_out(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("exit 1"))
    old = delivery.merged("one", {"app/one.yaml": "a: 1\n"})
    run_until_idle()
    new = delivery.deployment(delivery.merged("two", {"app/two.yaml": "a: 1\n"}))
    columns = {"status": "succeeded", "became_live": True, "started_at": now(), "ended_at": now()}
    Deployment.objects.filter(pk=new.pk).update(**columns)
    Environment.objects.filter(pk=new.environment_id).update(
        live_deployment=new, live_commit=new.commit, live_since=now()
    )
    shown = page_of(delivery, delivery.deployment(old))
    assert f"Live now: {new.label}" in shown
    assert "Nothing will run" in shown
