"""The page of a deployment at the moments in between: an attempt that just begins, and a log that is not there yet."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment
from apps.presentation.deployment_page import deployment_page
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true"))


def test_a_page_that_was_read_while_its_next_attempt_began_is_live(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    Attempt.objects.create(deployment=row, number=1, key="k1", started_at=now() - timedelta(minutes=1))
    Deployment.objects.filter(pk=row.pk).update(attempts=1)
    from apps.presentation import deployment_page as module

    find = module.queries.find

    def found_and_then_another_begins(*asked: Any) -> Deployment:
        found = find(*asked)
        Attempt.objects.create(deployment=row, number=2, key="k2", started_at=now())
        return found

    monkeypatch.setattr(module.queries, "find", found_and_then_another_begins)
    page = deployment_page(delivery.people.alice, row.number)
    assert (page.attempt, page.attempts, page.is_newest) == (1, (1,), True)


@pytest.mark.parametrize(
    ("via", "has_begun", "text"),
    [
        ("local", False, "This environment has no pipeline, so nothing is run."),
        ("argocd", False, "argocd writes one when it runs."),
        ("argocd", True, "argocd has written nothing yet."),
    ],
)
def test_a_page_without_a_log_says_why(delivery: Delivery, via: str, has_begun: bool, text: str) -> None:
    row = delivery.deployment(delivery.merged())
    row.plan = {**row.plan, "via": via}
    row.started_at = now() if has_begun else None
    row.save(update_fields=["plan", "started_at"])
    assert deployment_page(delivery.people.alice, row.number).no_log == text
